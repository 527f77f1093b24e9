//! A declared aggregate of tests: no installation has it.

use depot_domain::{Aggregate, Change, Command, Declaration, EventName, FieldError, Refused, event};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A note, which is closed once.
pub static NOTE: Declaration = Declaration::of::<Note>();

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    pub text: String,
    pub closed: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewNote {
    pub text: String,
}

impl Aggregate for Note {
    const NAME: &'static str = "note";
    const PLURAL: &'static str = "notes";
    const CREATED: EventName = event!("note.written");
    const COMMANDS: &'static [Command] = &[Command::of::<Close>()];

    type New = NewNote;

    fn create(new: NewNote) -> Result<Self, Refused> {
        if new.text.is_empty() {
            return Err(vec![FieldError::new("/text", "is empty")].into());
        }
        Ok(Self {
            text: new.text,
            closed: false,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {}

impl Change for Close {
    type Of = Note;
    const NAME: &'static str = "close";
    const EVENT: EventName = event!("note.closed");

    fn apply(self, note: Note) -> Result<Note, Refused> {
        if note.closed {
            return Err(Refused::not_now("The note is closed."));
        }
        Ok(Note { closed: true, ..note })
    }
}
