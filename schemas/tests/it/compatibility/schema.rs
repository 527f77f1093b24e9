use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Break,
    shape::{LOWER, Shape, UPPER},
};

/// Who reads what the schema describes, and so which change of it is a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// This system, strictly: what was taken is still taken.
    Server,
    /// A client of the older schema: what it counts on is still there. It takes words that it does not know.
    Client,
    /// A consumer of the older schema, as a client; a list of words is complete for it.
    Consumer,
}

/// A schema and the document that its references are of.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub document: &'a Value,
    pub schema: &'a Value,
}

impl<'a> Place<'a> {
    /// A schema that is a document of its own.
    pub fn whole(document: &'a Value) -> Self {
        let schema = document;
        Self { document, schema }
    }

    fn at(self, schema: &'a Value) -> Self {
        Self { schema, ..self }
    }
}

/// What breaks between two versions of one schema.
pub fn compare(old: Place<'_>, new: Place<'_>, reader: Reader, at: &str) -> Vec<Break> {
    let mut comparison = Comparison {
        reader,
        seen: BTreeSet::new(),
        breaks: Vec::new(),
    };
    comparison.compare(old, new, at);
    comparison.breaks
}

struct Comparison {
    reader: Reader,
    /// Pairs that are being compared, or were: a schema may contain itself.
    seen: BTreeSet<(String, String)>,
    breaks: Vec<Break>,
}

impl Comparison {
    fn say(&mut self, at: &str, what: impl Into<String>) {
        self.breaks.push(Break::new(at, what));
    }

    fn compare(&mut self, old: Place<'_>, new: Place<'_>, at: &str) {
        let references = (&old.schema["$ref"], &new.schema["$ref"]);
        if let (Value::String(old), Value::String(new)) = references
            && !self.seen.insert((old.clone(), new.clone()))
        {
            return;
        }
        let before = Shape::of(old.document, old.schema);
        let after = Shape::of(new.document, new.schema);
        self.types(&before, &after, at);
        self.words(&before, &after, at);
        self.text(&before, &after, at);
        self.members(&before, &after, at);
        if self.reader == Reader::Server {
            self.limits(&before, &after, at);
        }
        for (name, schema) in &before.properties {
            let below = format!("{at}/{name}");
            match after.properties.get(name) {
                Some(other) => self.compare(old.at(schema), new.at(other), &below),
                None => self.say(&below, "was taken away"),
            }
        }
        let anything = json!({});
        let below = |parts: &Option<Value>| parts.clone().unwrap_or_else(|| anything.clone());
        let (items, more) = (
            (below(&before.items), below(&after.items)),
            (below(&before.additional), below(&after.additional)),
        );
        if items.0 != anything || items.1 != anything {
            self.compare(old.at(&items.0), new.at(&items.1), &format!("{at}/items"));
        }
        if more.0.is_object() && more.1.is_object() && (more.0 != anything || more.1 != anything) {
            self.compare(old.at(&more.0), new.at(&more.1), &format!("{at}/*"));
        }
    }

    fn types(&mut self, before: &Shape, after: &Shape, at: &str) {
        let lost = match self.reader {
            Reader::Server => before.types.difference(&after.types),
            Reader::Client | Reader::Consumer => after.types.difference(&before.types),
        };
        let lost: Vec<_> = lost.cloned().collect();
        if !lost.is_empty() {
            let what = match self.reader {
                Reader::Server => "is no longer taken as",
                Reader::Client | Reader::Consumer => "may now be",
            };
            self.say(at, format!("{what} {}", lost.join(", ")));
        }
    }

    fn words(&mut self, before: &Shape, after: &Shape, at: &str) {
        match (self.reader, &before.words, &after.words) {
            (Reader::Server, None, Some(words)) => self.say(at, format!("only takes {words:?} now")),
            (Reader::Server, Some(before), Some(after)) => {
                for word in before.difference(after) {
                    self.say(at, format!("no longer takes {word}"));
                }
            }
            (Reader::Consumer, Some(_), None) => self.say(at, "may now be any word"),
            (Reader::Consumer, Some(before), Some(after)) => {
                for word in after.difference(before) {
                    self.say(at, format!("may now be {word}, which no reader knows"));
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, before: &Shape, after: &Shape, at: &str) {
        // `binary` says that any bytes are meant, and limits nothing.
        let [format_before, format_after] =
            [before, after].map(|shape| shape.format.clone().filter(|format| format != "binary"));
        for (name, before, after) in [
            ("format", &format_before, &format_after),
            ("pattern", &before.pattern, &after.pattern),
        ] {
            // Less said is more that is taken, and more said is less that can come.
            let said_before = match self.reader {
                Reader::Server => after,
                Reader::Client | Reader::Consumer => before,
            };
            if before != after && said_before.is_some() {
                self.say(at, format!("has another {name}: {before:?}, and now {after:?}"));
            }
        }
    }

    fn members(&mut self, before: &Shape, after: &Shape, at: &str) {
        match self.reader {
            Reader::Server => {
                for name in after.required.difference(&before.required) {
                    self.say(&format!("{at}/{name}"), "has to be sent now");
                }
                if before.additional != Some(json!(false)) && after.additional == Some(json!(false)) {
                    self.say(at, "no longer takes members that it does not name");
                }
            }
            Reader::Client | Reader::Consumer => {
                for name in before.required.difference(&after.required) {
                    self.say(&format!("{at}/{name}"), "may now be absent");
                }
            }
        }
    }

    fn limits(&mut self, before: &Shape, after: &Shape, at: &str) {
        for (name, limit) in &after.limits {
            let narrower = match before.limits.get(name) {
                None => true,
                Some(before) if UPPER.contains(name) => limit < before,
                Some(before) => LOWER.contains(name) && limit > before,
            };
            if narrower {
                self.say(at, format!("has a narrower {name}: {limit}"));
            }
        }
    }
}
