use std::sync::Arc;

/// A `pg_snapshot`: which transactions' rows are visible. Cheap to clone.
///
/// Text form `xmin:xmax:running,…`: a transaction is visible if its id is below `xmax` and not among the running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    text: String,
    xmax: i64,
    running: String,
}

/// A text that is no snapshot.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no pg_snapshot")]
pub struct InvalidSnapshot(String);

impl Snapshot {
    pub(crate) fn parse(text: String) -> Result<Self, InvalidSnapshot> {
        let mut parts = text.splitn(3, ':');
        let (Some(_), Some(xmax), Some(running)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidSnapshot(text));
        };
        let Ok(xmax) = xmax.parse() else {
            return Err(InvalidSnapshot(text));
        };
        let running = format!("{{{running}}}");
        Ok(Self(Arc::new(Parts { text, xmax, running })))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    /// The first transaction id that is not visible, nor any after it.
    pub(crate) fn xmax(&self) -> i64 {
        self.0.xmax
    }

    /// The transactions below `xmax` that are not visible, as a Postgres array, for example `{7,9}`.
    pub(crate) fn running(&self) -> &str {
        &self.0.running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_as_postgres_writes_it() {
        let snapshot = Snapshot::parse("10:20:10,14,15".to_owned()).unwrap();
        assert_eq!((snapshot.xmax(), snapshot.running()), (20, "{10,14,15}"));
        let quiet = Snapshot::parse("1:1:".to_owned()).unwrap();
        assert_eq!((quiet.xmax(), quiet.running()), (1, "{}"));
        assert!(Snapshot::parse("10:20".to_owned()).is_err());
        assert!(Snapshot::parse("10:x:".to_owned()).is_err());
    }
}
