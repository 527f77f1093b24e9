use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two lines, where there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How far it is, with the rate and the time that is left: a bar where a person looks on, a line now and then otherwise; both on
/// standard error.
pub struct Progress {
    what: String,
    unit: &'static str,
    bar: Option<ProgressBar>,
    began: Option<(Instant, u64)>,
    told: Option<Instant>,
}

impl Progress {
    pub fn new(what: String, unit: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(&what, unit));
        Self {
            what,
            unit,
            bar,
            began: None,
            told: None,
        }
    }

    /// So much of it is done by now.
    pub fn show(&mut self, done: u64, total: u64) {
        let (began, first) = *self.began.get_or_insert((Instant::now(), done));
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            if done == first {
                bar.reset_eta();
            }
        } else if self.told.is_none_or(|told| told.elapsed() >= LINE_EVERY) {
            self.told = Some(Instant::now());
            eprintln!(
                "{}",
                line(&self.what, self.unit, (first, done, total), began.elapsed())
            );
        }
    }

    /// Something to read beside it.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    /// Since the first time that it was shown: how much was done, and in which time.
    pub fn done_since_begin(&self, done: u64) -> (u64, Duration) {
        self.began.map_or((0, Duration::ZERO), |(began, first)| {
            (done.saturating_sub(first), began.elapsed())
        })
    }

    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &str, unit: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let template =
        format!("{{prefix}} [{{bar:30}}] {{human_pos}}/{{human_len}} {unit} {{per_sec}}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(what.to_owned());
    bar
}

fn line(what: &str, unit: &str, (first, done, total): (u64, u64, u64), elapsed: Duration) -> String {
    let rate = done.saturating_sub(first) as f64 / elapsed.as_secs_f64().max(0.001);
    let left = total.saturating_sub(done) as f64 / rate;
    let left = match left.is_finite() {
        true => format!(", {left:.0} s left"),
        false => String::new(),
    };
    format!("{what}: {done} of {total} {unit}, {rate:.0} a second{left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_rate_and_the_time_that_is_left() {
        let after = |done| {
            line(
                "building 2",
                "events",
                (100, done, 1_100),
                Duration::from_secs(10),
            )
        };
        assert_eq!(
            after(600),
            "building 2: 600 of 1100 events, 50 a second, 10 s left"
        );
        assert_eq!(after(100), "building 2: 100 of 1100 events, 0 a second");
    }
}
