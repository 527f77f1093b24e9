use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use depot_domain::{CommandId, Instance, Item, Upload, VersionToken};
use depot_outbox::{Doorbell, NewEvent};
use depot_retry::{Breaker, BreakerError, BreakerSettings};
use depot_schemas::{Event, EventType, ItemState, UploadState, topics::Topics};
use depot_service::{
    database::Pool,
    startup::Clearance,
    telemetry::{TraceHeaders, current_trace_headers},
};
use depot_spans::{
    OpenSpan, Parent,
    database::{self, Outcome},
};
use sqlx::{PgConnection, Postgres, Transaction, pool::PoolConnection};
use time::OffsetDateTime;
use tokio::time::timeout;

use super::{Actor, CommandError, ItemWrite, Moment, events, snapshot};
use crate::store::{Nature, StoreError, transaction};

/// A pool whose database is away lets each caller wait for as long as a connection may take to be had.
const BREAKER: BreakerSettings = BreakerSettings {
    failures: 5,
    quiet: Duration::from_secs(1),
    rest: Duration::from_secs(1),
};

/// Where units of work begin: the database, the topics of their events, and the bell of the relay.
#[derive(Debug, Clone)]
pub struct Writer {
    pool: Pool,
    topics: Arc<Topics>,
    doorbell: Doorbell,
    breaker: Arc<Breaker>,
    cleared: Clearance,
    patience: Duration,
}

/// What brings about a change.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The command, or the event taken as one, that is being handled.
    pub command: CommandId,
    pub trace: Option<TraceHeaders>,
}

impl Cause {
    /// A command in the trace of the current span.
    pub fn here(command: CommandId) -> Self {
        Self {
            command,
            trace: current_trace_headers(),
        }
    }

    /// The same, in a span that is open.
    pub fn within(&self, span: &OpenSpan) -> Self {
        Self {
            command: self.command,
            trace: Some(span.headers()),
        }
    }
}

/// One transaction: what is locked, written and recorded in it happens at its commit, or not at all.
pub struct UnitOfWork {
    transaction: Transaction<'static, Postgres>,
    writer: Writer,
    moment: Moment,
    cause: Cause,
    events: Vec<Event>,
    /// Of the transaction, where its trace is recorded.
    span: Option<OpenSpan>,
}

impl Writer {
    /// No unit of work begins before `cleared` is given; who comes earlier waits for it as long as `patience`, which is how
    /// long a connection may take to be had.
    pub fn new(
        pool: Pool,
        topics: Topics,
        doorbell: Doorbell,
        cleared: Clearance,
        patience: Duration,
    ) -> Self {
        Self {
            pool,
            topics: Arc::new(topics),
            doorbell,
            breaker: Arc::new(Breaker::new("postgres", BREAKER)),
            cleared,
            patience,
        }
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Begins a unit of work in the trace of the current span, whose statements wait for locks as long as
    /// `lock_timeout` says.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn begin(&self, causation: CommandId, lock_timeout: &str) -> Result<UnitOfWork, CommandError> {
        let begin = async {
            let begin = self.pool.begin().await;
            let mut transaction = begin.map_err(StoreError::doing("begin a transaction"))?;
            let beginning = transaction::begin(&mut transaction, lock_timeout).await?;
            Ok((transaction, beginning))
        };
        let mut span = Parent::current().and_then(|parent| self.span_in(&parent, 1, SystemTime::now()));
        let (transaction, beginning) = match self.unless_away(begin).await {
            Ok(begun) => begun,
            Err(error) => {
                fail(&mut span, error.nature());
                return Err(error.into());
            }
        };
        let moment = Moment {
            epoch: beginning.epoch,
            now: beginning.now,
        };
        let around = Cause::here(causation);
        let cause = match &span {
            Some(span) => around.within(span),
            None => around,
        };
        Ok(UnitOfWork {
            transaction,
            writer: self.clone(),
            moment,
            cause,
            events: Vec::new(),
            span,
        })
    }

    /// The span of a transaction that so many commands share, in that of one of them.
    pub fn span_in(&self, parent: &Parent, shared_by: usize, began: SystemTime) -> Option<OpenSpan> {
        let transaction = database::Transaction {
            schema: "command",
            database: self.pool.connect_options().get_database().map(str::to_owned),
            shared_by,
        };
        transaction.begin_in(parent, began)
    }

    /// A connection of the pool, for statements of their own.
    ///
    /// # Errors
    /// The database is away.
    pub async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        let acquire = async {
            let acquired = self.pool.acquire().await;
            acquired.map_err(StoreError::doing("acquire a connection"))
        };
        self.unless_away(acquire).await
    }

    async fn unless_away<T>(
        &self,
        begin: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begin = async {
            if !self.cleared.is_given() {
                let given = timeout(self.patience, self.cleared.given()).await;
                given.map_err(|_| StoreError::NotCleared)?;
            }
            begin.await
        };
        let begun = self
            .breaker
            .call(begin, |error| error.nature() == Nature::Away)
            .await;
        begun.map_err(|error| match error {
            BreakerError::Open => StoreError::PassedBy,
            BreakerError::Failed(error) => error,
        })
    }
}

impl UnitOfWork {
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// The database's clock at the beginning.
    pub fn now(&self) -> OffsetDateTime {
        self.moment.now
    }

    /// The clock and the epoch.
    pub fn moment(&self) -> Moment {
        self.moment
    }

    /// The token of an aggregate's version.
    pub fn token(&self, version: i64) -> VersionToken {
        self.moment.token(version)
    }

    /// Records an event of an item that has been written.
    pub fn record_item(&mut self, event_type: EventType, item: &Item, changed: &[&str], actor: &str) {
        let event = events::of_item(&self.moment, &self.cause, event_type, item, changed, actor);
        self.events.push(event);
    }

    /// Records the event of what a command has written of an item, or will.
    pub fn record_write(&mut self, item: &Item, write: &ItemWrite, actor: &Actor) {
        let cause = self.cause.clone();
        self.record_write_of(&cause, item, write, actor);
    }

    /// As [`record_write`](Self::record_write), where several commands share this unit.
    pub fn record_write_of(&mut self, cause: &Cause, item: &Item, write: &ItemWrite, actor: &Actor) {
        let (event_type, changed) = match write {
            ItemWrite::Nothing => return,
            ItemWrite::New(event_type) => (*event_type, &[][..]),
            ItemWrite::Next(event_type, changed) => (*event_type, &changed[..]),
        };
        let actor = actor.subject.as_str();
        let event = events::of_item(&self.moment, cause, event_type, item, changed, actor);
        self.events.push(event);
    }

    /// Records an event of an upload that has been written.
    pub fn record_upload(&mut self, event_type: EventType, upload: &Upload, changed: &[&str], actor: &str) {
        let event = events::of_upload(&self.moment, &self.cause, event_type, upload, changed, actor);
        self.events.push(event);
    }

    /// Records an event of a declared aggregate that has been written.
    pub fn record_declared(
        &mut self,
        event_type: EventType,
        instance: &Instance,
        changed: Vec<String>,
        actor: &str,
    ) {
        let event = events::of_declared(&self.moment, &self.cause, event_type, instance, changed, actor);
        self.events.push(event);
    }

    /// Records the state of an item once more; nothing is written of it.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn record_item_snapshot(&mut self, item: ItemState) -> Result<(), CommandError> {
        self.events.push(snapshot::of_item(self.moment.epoch, item)?);
        Ok(())
    }

    /// Records the state of an upload once more; nothing is written of it.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn record_upload_snapshot(&mut self, upload: UploadState) -> Result<(), CommandError> {
        self.events.push(snapshot::of_upload(self.moment.epoch, upload)?);
        Ok(())
    }

    /// Marks the place to which [`undo`](Self::undo) goes back.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn mark(&mut self) -> Result<(), CommandError> {
        Ok(transaction::mark(&mut self.transaction).await?)
    }

    /// Undoes what was written and recorded since [`mark`](Self::mark), which is where this unit's events begin.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn undo(&mut self) -> Result<(), CommandError> {
        self.events.clear();
        Ok(transaction::undo(&mut self.transaction).await?)
    }

    /// Whether anything was changed that others are told of.
    pub fn has_recorded(&self) -> bool {
        !self.events.is_empty()
    }

    /// Appends the recorded events to the outbox, commits, and then rings for the relay.
    ///
    /// # Errors
    /// Nothing was done, or, if the connection broke during the commit, it is not known.
    pub async fn commit(mut self) -> Result<(), CommandError> {
        let mut span = self.span.take();
        let committed = self.append_and_commit().await;
        match &committed {
            Ok(()) => end(&mut span, Outcome::Committed),
            Err(error) => fail(&mut span, error.nature().unwrap_or(Nature::Fault)),
        }
        committed
    }

    async fn append_and_commit(mut self) -> Result<(), CommandError> {
        let events = self.events.drain(..);
        let new = events.map(|event| NewEvent::from_event(&self.writer.topics, &event));
        let new = new
            .collect::<Result<Vec<_>, _>>()
            .map_err(depot_outbox::AppendError::from)?;
        let shards = depot_outbox::append(&mut self.transaction, new).await?;
        self.transaction
            .commit()
            .await
            .map_err(StoreError::doing("commit a transaction"))?;
        self.writer.doorbell.ring(shards);
        Ok(())
    }

    /// Undoes everything. A connection that is broken has undone it already.
    pub async fn roll_back(mut self) {
        if let Err(error) = self.transaction.rollback().await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "rolled back by losing the connection"
            );
        }
        end(&mut self.span, Outcome::RolledBack);
    }
}

fn end(span: &mut Option<OpenSpan>, outcome: Outcome) {
    if let Some(span) = span.take() {
        span.end_transaction(outcome);
    }
}

/// Ends the span of a transaction that failed.
fn fail(span: &mut Option<OpenSpan>, nature: Nature) {
    if let Some(span) = span.take() {
        span.end_as(Some(nature.as_str()));
    }
}
