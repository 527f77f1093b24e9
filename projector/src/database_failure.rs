//! What an error of Postgres means for the events being stored.

use depot_consumer::Failure;

/// Sorts an error met while doing `what` into the kinds of failure.
///
/// Poison is what the values themselves cause, and will cause again. Everything else passes once the database, its
/// network, its disk, its migrations or its operator are well again; the same batch is then tried again.
pub(crate) fn failure(what: &'static str, error: sqlx::Error) -> Failure {
    let refused = error.as_database_error().and_then(|error| {
        let code = error.code()?;
        is_caused_by_values(&code)
            .then(|| format!("Postgres refuses to {what}: {} ({code})", error.message()))
    });
    match refused {
        Some(reason) => Failure::poison("refused_by_database", reason),
        None => Failure::transient(format!("Postgres did not {what}"), error),
    }
}

/// Data exceptions (a NUL in a text, a number out of range), violated constraints, and values too large for an index.
fn is_caused_by_values(code: &str) -> bool {
    matches!(code.get(..2), Some("22" | "23" | "54"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_faults_of_the_values_are_poison() {
        for poison in ["22021", "22P05", "23514", "54000"] {
            assert!(is_caused_by_values(poison), "{poison}");
        }
        for passing in [
            "40P01", "40001", "57P01", "53300", "08006", "42P01", "42501", "55P03", "25P03", "",
        ] {
            assert!(!is_caused_by_values(passing), "{passing}");
        }
    }

    #[test]
    fn a_lost_connection_passes() {
        let failure = failure("store items", sqlx::Error::PoolTimedOut);
        assert!(matches!(failure, Failure::Transient { .. }), "{failure}");
    }
}
