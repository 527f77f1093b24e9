//! Events of a declared aggregate, of one that only this test has.

use depot_domain::{
    Aggregate, Command, Declaration, EventName, Instance, InstanceId, Owner, Refused, VersionToken, event,
};
use depot_schemas::{DeclaredData, DeclaredState, Entity, Envelope, EventType, header, topics::Topics};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Memo {
    text: String,
    lines: Vec<Line>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Line {
    number: u32,
}

impl Aggregate for Memo {
    const NAME: &'static str = "memo";
    const PLURAL: &'static str = "memos";
    const CREATED: EventName = event!("memo.written");
    const COMMANDS: &'static [Command] = &[];

    type New = Self;

    fn create(new: Self) -> Result<Self, Refused> {
        Ok(new)
    }
}

static MEMO: Declaration = Declaration::of::<Memo>();

fn data() -> DeclaredData {
    let state = MEMO
        .create(json!({"text": "a", "lines": [{"number": 1}]}))
        .unwrap();
    let owner = Owner::parse("alice").unwrap();
    let memo = Instance::new(
        &MEMO,
        InstanceId::generate(),
        owner,
        state,
        OffsetDateTime::UNIX_EPOCH,
    );
    DeclaredData {
        aggregate: DeclaredState::from(&memo),
        changed: vec![],
        actor: "alice".into(),
    }
}

#[test]
fn the_schema_holds_the_state_to_its_type() {
    let validator = jsonschema::validator_for(&DeclaredData::schema_of(&MEMO)).unwrap();
    let good = serde_json::to_value(data()).unwrap();
    assert!(validator.is_valid(&good), "{good}");
    type Bend = fn(&mut Value);
    let cases: [(&str, Bend); 4] = [
        ("no text", |value| {
            drop(value["aggregate"]["state"]["text"].take())
        }),
        ("another line", |value| {
            value["aggregate"]["state"]["lines"][0] = json!("x")
        }),
        ("no version", |value| value["aggregate"]["version"] = Value::Null),
        ("no actor", |value| value["actor"] = json!(7)),
    ];
    for (name, bend) in cases {
        let mut bad = good.clone();
        bend(&mut bad);
        assert!(!validator.is_valid(&bad), "{name}: {bad}");
    }
}

#[test]
fn its_names_are_those_of_the_declaration() {
    let entity = Entity::Declared(&MEMO);
    let topics = Topics::new("depot");
    assert_eq!(topics.events(entity), "depot.memos.v1");
    assert_eq!(topics.dead_letters(entity), "depot.memos.dlq.v1");
    let types: Vec<EventType> = EventType::of_declared(&MEMO).collect();
    assert_eq!(types, [EventType::Declared(&MEMO, MEMO.created)]);
    assert_eq!((types[0].entity(), types[0].is_snapshot()), (entity, false));
    assert_eq!(types[0].schema_file(), "memo.written.v1.json");
    let envelope = Envelope::new(
        types[0],
        data().aggregate.id,
        VersionToken::new(0, 1),
        depot_domain::CommandId::generate(),
        OffsetDateTime::UNIX_EPOCH,
    );
    let of = |name: &str| {
        let headers = envelope.headers();
        headers
            .into_iter()
            .find(|(have, _)| *have == name)
            .map(|(_, value)| value)
    };
    assert_eq!(of(header::TYPE).as_deref(), Some("depot.memo.written.v1"));
    assert_eq!(of(header::SOURCE).as_deref(), Some("/depot/command-api"));
    assert_eq!(
        of(header::DATA_SCHEMA).as_deref(),
        Some("/schemas/events/memo.written.v1.json")
    );
}
