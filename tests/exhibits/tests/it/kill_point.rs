//! A program that is killed at a line of its own choosing.

use tokio::sync::Notify;

/// A line at which a program is killed: who comes there goes no further.
#[derive(Debug, Default)]
pub struct KillPoint {
    reached: Notify,
}

impl KillPoint {
    /// The line. It does not return.
    pub async fn here(&self) {
        self.reached.notify_one();
        std::future::pending().await
    }

    /// Returns when the program has come to the line.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Runs a program up to the line, and ends it there. Of what Postgres and Kafka have of it nothing more comes.
    ///
    /// # Panics
    /// It came to its end.
    pub async fn kill<T>(&self, program: impl Future<Output = T>) {
        tokio::select! {
            biased;
            _ = program => panic!("the program ended before the line at which it was to be killed"),
            () = self.reached() => {}
        }
    }
}
