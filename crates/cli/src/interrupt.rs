use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Whether the command was told to end, by ^C (SIGINT) or SIGTERM. While the value lives, neither ends the process by itself.
#[derive(Debug)]
pub struct Interrupt {
    token: CancellationToken,
    watching: JoinHandle<()>,
}

impl Interrupt {
    pub fn watch() -> Self {
        let token = CancellationToken::new();
        let watching = tokio::spawn(watch_signals(token.clone()));
        Self { token, watching }
    }

    /// Cancelled by the first signal.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Without the signals the process would end where it is, which is no harm either.
async fn watch_signals(interrupted: CancellationToken) {
    let kinds = (SignalKind::interrupt(), SignalKind::terminate());
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(kinds.0), signal(kinds.1)) else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    interrupted.cancel();
}
