//! What an exhibit stands on: a database with Depot's schemas, and beside them one for the tables of the naive way.

use depot_test_stack::{TestDatabase, wait_until};
use sqlx::{FromRow, PgConnection, PgPool, postgres::PgRow};

pub struct Ground {
    // Declared before the database: connections go first.
    /// The owner of all tables, the naive ones and Depot's. The search path is `command`, for the outbox.
    pub pool: PgPool,
    pub database: TestDatabase,
}

impl Ground {
    /// With these tables, whose schema is `naive`.
    pub async fn with(tables: &'static str) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let pool = database.owner_pool().await;
        for statements in ["CREATE SCHEMA naive", tables] {
            sqlx::raw_sql(statements).execute(&pool).await.unwrap();
        }
        Self { pool, database }
    }

    /// The first column of all rows.
    pub async fn list<T>(&self, question: &'static str) -> Vec<T>
    where
        T: Send + Unpin,
        (T,): for<'r> FromRow<'r, PgRow>,
    {
        sqlx::query_scalar(question).fetch_all(&self.pool).await.unwrap()
    }

    pub async fn count(&self, question: &'static str) -> i64 {
        sqlx::query_scalar(question).fetch_one(&self.pool).await.unwrap()
    }

    /// Returns when that connection waits for a lock that another one has.
    pub async fn until_blocked(&self, pid: i32) {
        wait_until("the connection waits for a lock", async || {
            sqlx::query_scalar("SELECT cardinality(pg_blocking_pids($1)) > 0")
                .bind(pid)
                .fetch_one(&self.pool)
                .await
                .unwrap()
        })
        .await;
    }
}

/// The process of the server that serves this connection.
pub async fn pid_of(connection: &mut PgConnection) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(connection)
        .await
        .unwrap()
}
