//! Looks through what was written or answered.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use super::MARK;

/// Where a secret may not be: the marks in clear, and as a header of basic authorization has them.
fn marks() -> Vec<String> {
    let encoded = (0..3).map(|offset| {
        let text = format!("{}{MARK}", "x".repeat(offset));
        // What of the text is the same whatever stands around it.
        let code = STANDARD_NO_PAD.encode(&text);
        let begin = [0, 2, 3][offset];
        code[begin..code.len() - 2].to_owned()
    });
    std::iter::once(MARK.to_owned()).chain(encoded).collect()
}

/// Collects what was seen, and where something was found that must not be there.
#[derive(Default)]
pub struct Search {
    places: usize,
    /// Of logs alone: all else is there whatever the services do.
    logged_bytes: usize,
    found: Vec<String>,
    more: Vec<String>,
}

impl Search {
    /// Something that must not be found besides.
    pub fn also_for(&mut self, secret: &str) {
        self.more.push(secret.to_owned());
    }

    pub fn through(&mut self, place: &str, text: &str) {
        self.places += 1;
        let lower = text.to_lowercase();
        for secret in marks().iter().chain(&self.more) {
            // The mark itself in any case: some layers change it.
            let at = if secret == MARK {
                lower.find(&MARK.to_lowercase())
            } else {
                text.find(secret.as_str())
            };
            if let Some(at) = at {
                let from = text.floor_char_boundary(at.saturating_sub(200));
                let to = text.ceil_char_boundary((at + 60).min(text.len()));
                self.found.push(format!("{place}: …{}…", &text[from..to]));
            }
        }
    }

    /// What a service has written.
    pub fn through_log(&mut self, place: &str, text: &str) {
        self.logged_bytes += text.len();
        self.through(place, text);
    }

    /// What services sent to a collector before they ended, in which spans of these names have to be.
    pub fn through_traces(&mut self, sent: &[u8], spans: &[&str]) {
        let text = String::from_utf8_lossy(sent);
        let missing: Vec<_> = spans.iter().filter(|span| !text.contains(**span)).collect();
        assert!(
            missing.is_empty(),
            "{missing:?} are not in {} bytes of traces",
            sent.len()
        );
        self.through("traces", &text);
    }

    pub fn through_processes(&mut self) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(line) = fs::read(process.path().join("cmdline")) else {
                continue;
            };
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            self.through(&process.path().display().to_string(), &line);
        }
    }

    /// Fails if anything was found, or too little was looked through.
    pub fn found_nothing(&self, in_logs_of_bytes: usize) {
        assert!(
            self.found.is_empty(),
            "secrets are told:\n{}",
            self.found.join("\n\n")
        );
        assert!(
            self.logged_bytes >= in_logs_of_bytes,
            "only {} bytes of logs, {} places in all, were looked through",
            self.logged_bytes,
            self.places
        );
    }
}

#[test]
fn the_search_finds_what_it_is_for() {
    let dug_up = |text: &str| {
        let mut search = Search::default();
        search.through("here", text);
        !search.found.is_empty()
    };
    assert!(dug_up("password=pLaNt7eD-x") && dug_up("PLANT7ED") && !dug_up("nothing"));
    for user in ["u", "us", "use"] {
        let header = STANDARD_NO_PAD.encode(format!("{user}:{MARK}-x"));
        assert!(dug_up(&header), "{header}");
    }
}
