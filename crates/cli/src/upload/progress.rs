use std::{
    io::IsTerminal as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far it is: a bar where a person looks on, nothing otherwise.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    is_shown: bool,
}

/// What one attempt has moved the bar by. It is taken back where the attempt does not succeed.
#[derive(Debug, Clone)]
pub struct Attempt {
    progress: Progress,
    moved: Arc<AtomicU64>,
}

impl Progress {
    /// On standard error, if that is a terminal.
    pub fn new() -> Self {
        let is_shown = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        if is_shown {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let style = ProgressStyle::with_template(
            "{prefix:>9} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        );
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, is_shown }
    }

    /// Begins to show something of `total` bytes, of which `done` are done.
    pub fn begin(&self, what: &'static str, total: u64, done: u64) {
        self.bar.reset();
        self.bar.set_prefix(what);
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Something to read beside the bar; for people, so it goes where the bar goes.
    pub fn say(&self, text: &str) {
        if self.is_shown {
            self.bar.println(text);
        }
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    pub fn attempt(&self) -> Attempt {
        Attempt {
            progress: self.clone(),
            moved: Arc::new(AtomicU64::new(0)),
        }
    }
}

impl Attempt {
    pub fn advance(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        self.progress.advance(bytes);
    }

    /// It did not succeed: what it sent does not count.
    pub fn take_back(&self) {
        let moved = self.moved.swap(0, Ordering::Relaxed);
        let at = self.progress.bar.position();
        self.progress.bar.set_position(at.saturating_sub(moved));
    }
}
