use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::journal::Reached;

/// Between two lines, where there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Between two changes of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// How far it is, with the rate and the time that is left: a bar where a person looks on, a line now and then otherwise; both on
/// standard error.
#[derive(Debug)]
pub struct Progress {
    is_shown: bool,
    bar: Option<ProgressBar>,
    /// None where the end is not known.
    total_bytes: Option<u64>,
    began: Instant,
    first: Reached,
    told: Instant,
}

impl Progress {
    /// `first` is where an earlier run came to.
    pub fn new(is_shown: bool, total_bytes: Option<u64>, first: Reached) -> Self {
        let bar = (is_shown && std::io::stderr().is_terminal()).then(|| bar(total_bytes));
        let began = Instant::now();
        Self {
            is_shown,
            bar,
            total_bytes,
            began,
            first,
            told: began,
        }
    }

    /// The load has come so far by now.
    pub fn show(&mut self, reached: &Reached, repeats: u64) {
        let every = if self.bar.is_some() { BAR_EVERY } else { LINE_EVERY };
        if !self.is_shown || self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        let figures = figures(
            &self.first,
            reached,
            self.total_bytes,
            self.began.elapsed(),
            repeats,
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(reached.offset);
                bar.set_message(figures);
            }
            None => eprintln!("{figures}"),
        }
    }

    /// Something to read beside it.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if self.is_shown => eprintln!("{text}"),
            None => {}
        }
    }

    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

fn bar(total_bytes: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total_bytes, ProgressDrawTarget::stderr());
    let template = match total_bytes {
        Some(_) => "loading [{bar:30}] {msg}",
        None => "loading {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Items, failed rows, rows a second of this run, and the time that is left, by how much of the input is read in how much time.
fn figures(
    first: &Reached,
    now: &Reached,
    total_bytes: Option<u64>,
    elapsed: Duration,
    repeats: u64,
) -> String {
    let settled = |reached: &Reached| reached.created + reached.failed;
    let seconds = elapsed.as_secs_f64().max(0.001);
    let rate = settled(now).saturating_sub(settled(first)) as f64 / seconds;
    let mut text = format!("{} items, {rate:.0} a second", now.created);
    if now.failed > 0 {
        text.push_str(&format!(", {} not accepted", now.failed));
    }
    if repeats > 0 {
        text.push_str(&format!(", {repeats} sent again"));
    }
    let bytes_a_second = now.offset.saturating_sub(first.offset) as f64 / seconds;
    let left = total_bytes.map(|total| total.saturating_sub(now.offset) as f64 / bytes_a_second);
    if let Some(left) = left.filter(|left| left.is_finite()) {
        text.push_str(&format!(", {left:.0} s left"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(created: u64, failed: u64, offset: u64) -> Reached {
        Reached {
            created,
            failed,
            offset,
            ..Reached::default()
        }
    }

    #[test]
    fn rate_and_time_left_are_of_this_run() {
        let first = reached(100, 0, 1_000);
        let of =
            |now: &Reached, total, repeats| figures(&first, now, total, Duration::from_secs(10), repeats);
        assert_eq!(
            of(&reached(590, 10, 6_000), Some(11_000), 3),
            "590 items, 50 a second, 10 not accepted, 3 sent again, 10 s left"
        );
        assert_eq!(of(&reached(600, 0, 6_000), None, 0), "600 items, 50 a second");
        // Nothing has come of it yet: how long it takes cannot be said.
        assert_eq!(of(&first, Some(11_000), 0), "100 items, 0 a second");
        assert_eq!(
            of(&reached(600, 0, 11_000), Some(11_000), 0),
            "600 items, 50 a second, 0 s left"
        );
    }
}
