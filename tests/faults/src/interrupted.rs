use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// By a terminal, or by whoever sets it a limit.
pub struct Interrupted {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupted {
    /// From here on nobody is ended by a signal before what it started is ended too.
    ///
    /// # Errors
    /// No handler can be installed.
    pub fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
