//! What an error of Postgres means for the events being stored.

use depot_consumer::Failure;
use depot_service::database::{count_fault, is_caused_by_values};

/// Sorts an error met while doing `what` into the kinds of failure.
///
/// Poison is what the values themselves cause, and will cause again. Everything else passes once the database, its
/// network, its disk, its migrations or its operator are well again; the same batch is then tried again.
pub(crate) fn failure(what: &'static str, error: sqlx::Error) -> Failure {
    count_fault(&error);
    let refused = error.as_database_error().filter(|_| is_caused_by_values(&error));
    let refused = refused.map(|refusal| {
        let code = refusal.code().unwrap_or_default();
        format!("Postgres refuses to {what}: {} ({code})", refusal.message())
    });
    match refused {
        Some(reason) => Failure::poison("refused_by_database", reason),
        None => Failure::transient(format!("Postgres did not {what}"), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_passes() {
        let failure = failure("store items", sqlx::Error::PoolTimedOut);
        assert!(matches!(failure, Failure::Transient { .. }), "{failure}");
    }
}
