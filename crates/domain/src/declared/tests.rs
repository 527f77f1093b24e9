use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::*;
use crate::{FieldError, InstanceId, Owner, event};

/// A note, which can be written on, and closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Note {
    text: String,
    closed: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewNote {
    text: String,
}

impl Aggregate for Note {
    const NAME: &'static str = "note";
    const PLURAL: &'static str = "notes";
    const CREATED: EventName = event!("note.written");
    const COMMANDS: &'static [Command] = &[Command::of::<Append>(), Command::of::<Close>()];

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
struct Append {
    text: String,
}

impl Change for Append {
    type Of = Note;
    const NAME: &'static str = "append";
    const EVENT: EventName = event!("note.written");

    fn apply(self, note: Note) -> Result<Note, Refused> {
        if note.closed {
            return Err(Refused::not_now("the note is closed"));
        }
        Ok(Note {
            text: note.text + &self.text,
            ..note
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {}

impl Change for Close {
    type Of = Note;
    const NAME: &'static str = "close";
    const EVENT: EventName = event!("note.closed");

    fn apply(self, note: Note) -> Result<Note, Refused> {
        Ok(Note { closed: true, ..note })
    }
}

static NOTE: Declaration = Declaration::of::<Note>();

fn note() -> Instance {
    let state = NOTE.create(json!({"text": "a"})).unwrap();
    let owner = Owner::parse("alice").unwrap();
    Instance::new(
        &NOTE,
        InstanceId::generate(),
        owner,
        state,
        OffsetDateTime::UNIX_EPOCH,
    )
}

fn change(note: Instance, command: &str, body: Value) -> Result<InstanceDecision, Refused> {
    note.change(NOTE.command(command).unwrap(), body, OffsetDateTime::UNIX_EPOCH)
}

fn pointers(refused: Refused) -> Vec<String> {
    match refused {
        Refused::Invalid(invalid) => invalid.0.into_iter().map(|error| error.pointer).collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_change_is_the_next_version_with_the_names_of_what_changed() {
    let decision = change(note(), "close", json!({})).unwrap();
    let InstanceDecision::Changed(note, event, changed) = decision else {
        panic!("{decision:?}")
    };
    assert_eq!((note.version, changed), (2, vec!["closed".to_owned()]));
    assert_eq!(note.state, json!({"text": "a", "closed": true}));
    assert_eq!(event.name, "depot.note.closed.v1");
    assert_eq!(event.schema, "/schemas/events/note.closed.v1.json");
    let again = change(note.clone(), "close", json!({})).unwrap();
    assert_eq!(again, InstanceDecision::Unchanged(note));
}

#[test]
fn what_is_refused_says_why() {
    assert_eq!(pointers(NOTE.create(json!({"text": ""})).unwrap_err()), ["/text"]);
    let InstanceDecision::Changed(closed, ..) = change(note(), "close", json!({})).unwrap() else {
        panic!()
    };
    let refused = change(closed, "append", json!({"text": "b"})).unwrap_err();
    assert!(matches!(refused, Refused::NotNow(why) if why == "the note is closed"));
    assert!(NOTE.command("burn").is_none());
}

#[test]
fn what_no_table_and_no_event_can_keep_is_refused() {
    assert_eq!(
        pointers(NOTE.create(json!({"text": "a\0"})).unwrap_err()),
        ["/text"]
    );
    let long = "x".repeat(300 * 1024);
    assert_eq!(pointers(NOTE.create(json!({"text": long})).unwrap_err()), [""]);
    assert_eq!(
        pointers(change(note(), "append", json!({"text": "\0"})).unwrap_err()),
        ["/text"]
    );
}

#[test]
fn a_body_is_read_by_its_type() {
    assert_eq!((NOTE.new.read)(r#"{"text": "a"}"#).unwrap(), json!({"text": "a"}));
    for wrong in [
        r#"{"text": 1}"#,
        r#"{"text": "a", "colour": 1}"#,
        r#"{"text": "a", "text": "b"}"#,
        "{}",
        "x",
    ] {
        assert!((NOTE.new.read)(wrong).is_err(), "{wrong}");
    }
    let fault = (NOTE.new.shape)(&json!({"text": 1})).unwrap_err();
    assert_eq!(fault.path().to_string(), "text");
}

#[test]
fn a_state_is_read_without_what_is_not_known_of_it() {
    assert!(
        NOTE.reads(&json!({"text": "a", "closed": true, "later": 1}))
            .is_ok()
    );
    assert!(NOTE.reads(&json!({"text": "a"})).is_err());
    let schema = NOTE.schema(&mut SchemaGenerator::default()).to_value();
    assert_eq!(schema["$ref"], "#/$defs/Note");
}

#[test]
fn an_event_of_two_commands_is_one() {
    let names: Vec<_> = NOTE.events().iter().map(|event| event.name).collect();
    assert_eq!(names, ["depot.note.written.v1", "depot.note.closed.v1"]);
}

#[test]
fn a_clock_set_back_does_not_make_it_older() {
    let mut note = note();
    note.updated_at = OffsetDateTime::UNIX_EPOCH + Duration::hours(1);
    let before = note.updated_at;
    let InstanceDecision::Changed(note, ..) = change(note, "close", json!({})).unwrap() else {
        panic!()
    };
    assert_eq!(note.updated_at, before);
}
