//! What happens in an exhibit, line by line: printed, and held against the document that shows it.

use std::{
    fmt::Display,
    fs,
    sync::{Mutex, PoisonError},
};

pub const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/outbox.md");

/// Exhibits run side by side, and each may write its part of the document.
static DOCUMENT_LOCK: Mutex<()> = Mutex::new(());

/// The story of one exhibit. It has no ids, times or names that differ from run to run.
pub struct Story {
    name: &'static str,
    text: String,
}

impl Story {
    /// `name` is that of the exhibit's file.
    pub fn of(name: &'static str) -> Self {
        Self {
            name,
            text: String::new(),
        }
    }

    /// From here on the naive way is told.
    pub fn naive(&mut self, way: &str) {
        self.begin("NAIVE", way);
    }

    /// From here on Depot's way is told.
    pub fn depot(&mut self, way: &str) {
        self.begin("DEPOT", way);
    }

    fn begin(&mut self, whose: &str, way: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("{whose}: {way}\n"));
    }

    pub fn line(&mut self, who: &str, what: impl Display) {
        self.text.push_str(&format!("  {who:<9} {what}\n"));
    }

    /// What came of it.
    pub fn result(&mut self, what: impl Display) {
        self.line("=>", what);
    }

    /// Prints the story, and compares it with the document's. `UPDATE_STORIES=1` writes it there instead.
    ///
    /// # Panics
    /// The document has no place for it, or shows another one.
    pub fn end(self) {
        let Self { name, text } = self;
        println!("\n== {name}\n\n{text}");
        let _locked = DOCUMENT_LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        let document = fs::read_to_string(DOCUMENT).unwrap();
        let mark = format!("{}\n```text\n", mark(name));
        let (before, rest) = document
            .split_once(&mark)
            .unwrap_or_else(|| panic!("docs/outbox.md has no block behind {}", mark.trim_end()));
        let (shown, after) = rest.split_once("```\n").unwrap();
        if shown == text {
            return;
        }
        assert!(
            std::env::var_os("UPDATE_STORIES").is_some(),
            "docs/outbox.md tells another story of {name} than the one above: UPDATE_STORIES=1 writes this one"
        );
        fs::write(DOCUMENT, format!("{before}{mark}{text}```\n{after}")).unwrap();
    }
}

/// What stands before an exhibit's block in the document.
pub fn mark(name: &str) -> String {
    format!("<!-- exhibit: {name} -->")
}

/// `first, second`, or `nothing`.
pub fn listed(texts: &[String]) -> String {
    if texts.is_empty() {
        return "nothing".to_owned();
    }
    texts.join(", ")
}
