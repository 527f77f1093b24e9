//! Postgres and Redis, by OpenTelemetry's conventions for databases: <https://opentelemetry.io/docs/specs/semconv/db/>.

use std::time::SystemTime;

use opentelemetry::{
    KeyValue, StringValue,
    context::FutureExt as _,
    trace::{SpanBuilder, SpanKind},
};

use crate::{context::Parent, open::OpenSpan};

/// How a transaction ended, where its connection told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Committed,
    RolledBack,
    /// Of a command that shared a transaction, which committed, and had no part in it.
    LeftOut,
}

/// A transaction of Postgres.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// What it works in; the name of the span has it.
    pub schema: &'static str,
    /// The database that has the schema.
    pub database: Option<String>,
    /// Commands or events that share it.
    pub shared_by: usize,
}

impl Transaction {
    /// Its span, in one of those that it was for. It begins where the connection is asked for.
    #[must_use]
    pub fn begin_in(self, parent: &Parent, began: SystemTime) -> Option<OpenSpan> {
        let namespace = match self.database {
            Some(database) => format!("{database}|{}", self.schema),
            None => self.schema.to_owned(),
        };
        let name = format!("TRANSACTION {}", self.schema);
        let mut attributes = vec![
            KeyValue::new(SYSTEM, "postgresql"),
            KeyValue::new(OPERATION, "TRANSACTION"),
            KeyValue::new("db.namespace", namespace),
        ];
        attributes.extend(batch_size(self.shared_by));
        parent.begin(client(name, attributes).with_start_time(began))
    }

    /// Runs `work`, which is a transaction from its beginning to its end, in a span that is the current one meanwhile:
    /// events that are written in it name it as what caused them.
    ///
    /// # Errors
    /// Those of `work`; `error_type` names them.
    pub async fn around<T, E>(
        of: impl FnOnce() -> Self,
        work: impl Future<Output = Result<T, E>>,
        error_type: impl FnOnce(&E) -> &'static str,
    ) -> Result<T, E> {
        let begun = Parent::current().and_then(|parent| of().begin_in(&parent, SystemTime::now()));
        // Boxed: its future is as large as all that the transaction does, and would be here twice.
        let work = Box::pin(work);
        let Some(span) = begun else { return work.await };
        let done = work.with_context(span.around()).await;
        span.end_as(done.as_ref().err().map(error_type));
        done
    }
}

impl OpenSpan {
    /// Ends the span of a transaction.
    pub fn end_transaction(self, outcome: Outcome) {
        self.end_transaction_at(outcome, SystemTime::now());
    }

    /// Ends the span of a transaction that is over since `at`.
    pub fn end_transaction_at(mut self, outcome: Outcome, at: SystemTime) {
        let outcome = match outcome {
            Outcome::Committed => "committed",
            Outcome::RolledBack => "rolled_back",
            Outcome::LeftOut => "left_out",
        };
        self.set("depot.transaction.outcome", outcome);
        self.end_at(at);
    }
}

/// A statement that reads `collection`, in the current span.
#[must_use]
pub fn select(collection: &'static str) -> Option<OpenSpan> {
    let parent = Parent::current()?;
    let attributes = vec![
        KeyValue::new(SYSTEM, "postgresql"),
        KeyValue::new(OPERATION, "SELECT"),
        KeyValue::new("db.collection.name", collection),
    ];
    parent.begin(client(format!("SELECT {collection}"), attributes))
}

/// A command to Redis, in the current span.
#[must_use]
pub fn redis(command: &'static str) -> Option<OpenSpan> {
    let parent = Parent::current()?;
    parent.begin(client(command.to_owned(), redis_attributes(command)))
}

/// So many commands to Redis in one round trip, which has passed.
pub fn tell_redis_pipeline(
    parent: &Parent,
    commands: usize,
    (began, ended): (SystemTime, SystemTime),
    error_type: Option<impl Into<StringValue>>,
) {
    let mut attributes = redis_attributes("PIPELINE");
    attributes.extend(batch_size(commands));
    let span = client("PIPELINE".to_owned(), attributes).with_start_time(began);
    let Some(mut span) = parent.begin(span) else {
        return;
    };
    if let Some(error_type) = error_type {
        span.fail(error_type);
    }
    span.end_at(ended);
}

const SYSTEM: &str = "db.system.name";
const OPERATION: &str = "db.operation.name";

fn client(name: String, attributes: Vec<KeyValue>) -> SpanBuilder {
    SpanBuilder::from_name(name)
        .with_kind(SpanKind::Client)
        .with_attributes(attributes)
}

fn redis_attributes(command: &'static str) -> Vec<KeyValue> {
    vec![KeyValue::new(SYSTEM, "redis"), KeyValue::new(OPERATION, command)]
}

/// By the conventions one is no batch.
fn batch_size(size: usize) -> Option<KeyValue> {
    let size = i64::try_from(size).ok().filter(|size| *size > 1)?;
    Some(KeyValue::new("db.operation.batch.size", size))
}
