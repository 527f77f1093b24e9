//! A pool that opens its connections where nothing else waits to run.
//!
//! Proving a password to Postgres takes 4,096 hashes, and the driver lets all others run after every fifth: that often the task
//! is put at the end of the runtime's queue. In a process that has much to do a connection took many seconds to be opened so,
//! while those that were open were given back and taken by whoever came later. So it is opened by a thread of its own, which
//! takes milliseconds, and no more than a few at once.

use std::{ops::Deref, sync::Arc};

use futures::{
    TryFutureExt as _, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Connection as _, Describe, Either, Execute, Executor, PgPool, Postgres, SqlStr, Transaction,
    pool::PoolConnection,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::{runtime::Handle, sync::Semaphore, time::timeout};

/// Connections that are opened at once. Each takes a thread meanwhile, and a process of the server for good.
const OPENED_AT_ONCE: usize = 4;

/// A pool of connections to Postgres. Cheap to clone. It is sqlx's pool for what is not hot.
#[derive(Debug, Clone)]
pub struct Pool {
    pool: PgPool,
    opening: Arc<Semaphore>,
}

impl From<PgPool> for Pool {
    fn from(pool: PgPool) -> Self {
        Self {
            pool,
            opening: Arc::new(Semaphore::new(OPENED_AT_ONCE)),
        }
    }
}

impl Deref for Pool {
    type Target = PgPool;

    fn deref(&self) -> &PgPool {
        &self.pool
    }
}

impl Pool {
    /// A connection that answers: one that nobody uses, or a new one where there may be more, or the next that is given back.
    ///
    /// # Errors
    /// [`sqlx::Error::PoolTimedOut`] after the pool's time, and what a server says that does not let one in.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let options = self.pool.options();
        timeout(options.get_acquire_timeout(), async {
            if let Some(idle) = self.idle().await {
                return Ok(idle);
            }
            if self.is_full() {
                return self.pool.acquire().await;
            }
            // Nobody closes it.
            let opening = Arc::clone(&self.opening).acquire_owned().await;
            if let Some(idle) = self.idle().await {
                return Ok(idle);
            }
            if self.is_full() {
                drop(opening);
                return self.pool.acquire().await;
            }
            let (pool, runtime) = (self.pool.clone(), Handle::current());
            tokio::task::spawn_blocking(move || {
                let _opening = opening;
                runtime.block_on(pool.acquire())
            })
            .await
            // The thread was not begun: the runtime ends.
            .map_err(|_| sqlx::Error::PoolClosed)?
        })
        .await
        .map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    /// Begins a transaction on a connection of its own.
    ///
    /// # Errors
    /// Those of [`acquire`](Self::acquire) and of the statement.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.acquire()
            .and_then(|connection| Transaction::begin(connection, None))
            .await
    }

    /// One that nobody uses. Those that the server has ended meanwhile are left.
    async fn idle(&self) -> Option<PoolConnection<Postgres>> {
        while let Some(mut idle) = self.pool.try_acquire() {
            match idle.ping().await {
                Ok(()) => return Some(idle),
                Err(error) => {
                    tracing::info!(%error, "the server has ended a connection that nobody used");
                    // It says the same; and there is nobody to say goodbye to.
                    let _said_before = idle.detach().close_hard().await;
                }
            }
        }
        None
    }

    fn is_full(&self) -> bool {
        self.pool.size() >= self.pool.options().get_max_connections()
    }
}

/// A statement on a connection of its own, as sqlx's pool takes one.
impl<'p> Executor<'p> for &'_ Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let asked = async move {
            let mut connection = pool.acquire().await?;
            // To the end: whoever takes rows slowly keeps nobody from the connection. Statements have limits.
            let answers: Vec<_> = connection.fetch_many(query).try_collect().await?;
            Ok(stream::iter(answers.into_iter().map(Ok)))
        };
        Box::pin(asked.try_flatten_stream())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.fetch_optional(query).await })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.prepare_with(sql, parameters).await })
    }

    /// Only for sqlx's own macros.
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.describe(sql).await })
    }
}
