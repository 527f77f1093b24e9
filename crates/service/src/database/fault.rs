//! What an error of Postgres says about trying again. By SQLSTATE (PostgreSQL manual, appendix A).

use metrics::{Unit, counter, describe_counter};

use super::acquire;

/// Transactions that gave way to others; label `kind`.
pub const CONFLICTS_TOTAL: &str = "depot_db_conflicts_total";

/// Why a transaction gave way to others. It is rolled back, and may pass when it is run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// `40P01`: it was chosen among those that waited for each other.
    Deadlock,
    /// `40001`: what it read was changed meanwhile.
    Serialization,
    /// `55P03`: it did not get a lock within its `lock_timeout`.
    LockTimeout,
}

impl Conflict {
    const ALL: [Self; 3] = [Self::Deadlock, Self::Serialization, Self::LockTimeout];

    /// The conflict that the error tells of, if it tells of one.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Option<Self> {
        match error.as_database_error()?.code()?.as_ref() {
            "40P01" => Some(Self::Deadlock),
            "40001" => Some(Self::Serialization),
            "55P03" => Some(Self::LockTimeout),
            _ => None,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Deadlock => "deadlock",
            Self::Serialization => "serialization",
            Self::LockTimeout => "lock_timeout",
        }
    }
}

/// Counts the error if it tells of a conflict, or that no connection was to be had. To be called once an error, where it
/// leaves the statement.
pub fn count_fault(error: &sqlx::Error) {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        acquire::count_timeout();
    }
    if let Some(conflict) = Conflict::of(error) {
        counter!(CONFLICTS_TOTAL, "kind" => conflict.label()).increment(1);
    }
}

/// Whether the database is away, or refuses connections, or is too slow to be of use: nothing is wrong with what it was
/// asked.
#[must_use]
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_of_absence(&code)),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// query_canceled: the statement time-out; read_only_sql_transaction: after a failover; the time-outs of a transaction that
/// is idle, and of one at all: this process was stopped, or the network was. The classes are connection exceptions,
/// insufficient resources and errors of the system; 57P is shutting down or starting up.
fn is_of_absence(code: &str) -> bool {
    matches!(code, "57014" | "25006" | "25P03" | "25P04")
        || ["08", "53", "57P", "58"]
            .iter()
            .any(|class| code.starts_with(class))
}

/// Whether the values that it was asked to store are what is wrong: data exceptions (a NUL in a text, a number out of
/// range), violated constraints, and values too large for an index. They would fail again; everything else passes once the
/// database, its network, its disk, its migrations or its operator are well again.
#[must_use]
pub fn is_caused_by_values(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| is_of_values(&code))
}

fn is_of_values(code: &str) -> bool {
    matches!(code.get(..2), Some("22" | "23" | "54"))
}

pub(crate) fn declare() {
    describe_counter!(
        CONFLICTS_TOTAL,
        Unit::Count,
        "Transactions that gave way to others and are run again, by kind: deadlock, serialization or lock_timeout."
    );
    for conflict in Conflict::ALL {
        counter!(CONFLICTS_TOTAL, "kind" => conflict.label()).increment(0);
    }
}

#[cfg(test)]
mod tests {
    use super::{is_of_absence, is_of_values};

    #[test]
    fn a_database_that_is_away_is_told_from_one_that_refuses() {
        for away in [
            "08006", "25006", "25P03", "25P04", "53300", "57014", "57P01", "58030",
        ] {
            assert!(is_of_absence(away), "{away}");
        }
        for refusing in ["22021", "23505", "25P02", "40001", "42501", "42P01", "57000", ""] {
            assert!(!is_of_absence(refusing), "{refusing}");
        }
    }

    #[test]
    fn only_faults_of_the_values_come_again() {
        for again in ["22021", "22P05", "23514", "54000"] {
            assert!(is_of_values(again), "{again}");
        }
        for passing in [
            "40P01", "40001", "57P01", "53300", "08006", "42P01", "42501", "55P03", "25P03", "",
        ] {
            assert!(!is_of_values(passing), "{passing}");
        }
    }
}
