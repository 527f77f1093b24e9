//! One document at least of every version of every type of event that was ever written, as it lies in Kafka:
//! `corpus/TYPE.vN/*.json`. What is there stays there, since the topics do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use depot_schemas::{Event, EventType, decode, header};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// A message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    key: String,
    headers: BTreeMap<String, String>,
    /// As it was written: not every number survives being printed.
    value: Box<RawValue>,
    /// What only a program newer than this one knows.
    #[serde(default)]
    passed_over: PassedOver,
    #[serde(skip)]
    file: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PassedOver {
    headers: Vec<String>,
    /// JSON pointers into the value.
    members: Vec<String>,
}

impl Document {
    fn value(&self) -> Value {
        serde_json::from_str(self.value.get()).unwrap()
    }

    fn decode(&self, event_type: EventType) -> Event {
        let header = |name: &str| self.headers.get(name).map(String::as_bytes);
        let payload = self.value.get().as_bytes();
        decode(
            event_type.entity(),
            Some(self.key.as_bytes()),
            header,
            Some(payload),
        )
        .unwrap_or_else(|error| panic!("{}: {error}", self.file))
    }

    /// The headers as this program writes them: those that it does not know are gone, and one that came later has its default.
    fn known_headers(&self) -> BTreeMap<String, String> {
        let mut headers = self.headers.clone();
        for name in &self.passed_over.headers {
            assert!(
                headers.remove(name).is_some(),
                "{}: {name} is not there",
                self.file
            );
        }
        headers
            .entry(header::RESTORE_EPOCH.to_owned())
            .or_insert_with(|| "0".to_owned());
        headers
    }

    /// The value as this program writes it.
    fn known_value(&self) -> Value {
        let mut value = self.value();
        for pointer in &self.passed_over.members {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let parent = value.pointer_mut(parent).and_then(Value::as_object_mut);
            let removed = parent.and_then(|parent| parent.remove(name));
            assert!(removed.is_some(), "{}: {pointer} is not there", self.file);
        }
        value
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The name of the folder of a type and version, for example `item.created.v1`.
fn name_of(event_type: EventType) -> &'static str {
    event_type.name().trim_start_matches("depot.")
}

fn documents(event_type: EventType) -> Vec<Document> {
    let entries = fs::read_dir(folder().join(name_of(event_type)))
        .into_iter()
        .flatten();
    let mut documents: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let read = serde_json::from_str(&text);
            let read: Document = read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let file = path.display().to_string();
            Document { file, ..read }
        })
        .collect();
    documents.sort_by(|one, other| one.file.cmp(&other.file));
    documents
}

#[test]
fn every_type_has_documents_and_every_document_a_type() {
    let known: BTreeSet<_> = EventType::ALL
        .iter()
        .map(|&event_type| name_of(event_type).to_owned())
        .collect();
    let kept: BTreeSet<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    // Those of declared aggregates may have documents, and need none.
    let declared = EventType::all().map(|event_type| name_of(event_type).to_owned());
    let declared: BTreeSet<_> = declared.filter(|name| !known.contains(name)).collect();
    let kept: BTreeSet<_> = kept.difference(&declared).cloned().collect();
    assert_eq!(kept, known, "folders of schemas/corpus, and types that are read");
    for &event_type in EventType::ALL {
        assert!(
            !documents(event_type).is_empty(),
            "nothing of {event_type} in schemas/corpus"
        );
    }
}

#[test]
fn every_event_that_was_ever_written_is_read_back_whole() {
    let mut count = 0;
    for event_type in EventType::all() {
        for document in documents(event_type) {
            let event = document.decode(event_type);
            assert_eq!(event.envelope.event_type, event_type, "{}", document.file);
            let headers = event.envelope.headers().into_iter();
            let headers: BTreeMap<_, _> = headers.map(|(name, value)| (name.to_owned(), value)).collect();
            assert_eq!(headers, document.known_headers(), "{}", document.file);
            let value = serde_json::to_value(&event.data).unwrap();
            assert_eq!(value, document.known_value(), "{}", document.file);
            count += 1;
        }
    }
    assert!(count >= 50, "only {count} documents were read");
}

/// Of this tree, and of every version that had the type: readers of then have to read what is written now.
#[test]
fn every_document_meets_the_schemas_of_every_version() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let released = fs::read_dir(root.join("released")).unwrap();
    let folders = released.map(|entry| entry.unwrap().path().join("events"));
    let folders: Vec<_> = folders.chain([root.join("events")]).collect();
    for event_type in EventType::all() {
        let mut checked = 0;
        for path in folders.iter().map(|folder| folder.join(event_type.schema_file())) {
            let Ok(schema) = fs::read_to_string(&path) else {
                continue;
            };
            let schema: Value = serde_json::from_str(&schema).unwrap();
            let validator = jsonschema::validator_for(&schema).unwrap();
            for document in documents(event_type) {
                let fault = validator
                    .validate(&document.value())
                    .err()
                    .map(|error| error.to_string());
                assert_eq!(fault, None, "{} by {}", document.file, path.display());
            }
            checked += 1;
        }
        assert!(checked >= 1, "{event_type} has no schema");
    }
}

/// A field that comes brings a document that has it; those that are older stay, and have it not.
#[test]
fn the_documents_have_every_field_and_lack_every_optional_one() {
    let mut faults = Vec::new();
    for &event_type in EventType::ALL {
        let entity = event_type.entity();
        let same = EventType::ALL.iter().filter(|other| other.entity() == entity);
        let values: Vec<_> = same
            .flat_map(|&other| documents(other))
            .map(|document| document.value())
            .collect();
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("events")
            .join(event_type.schema_file());
        let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let state = match entity.as_str() {
            "items" => ("item", "ItemState"),
            "uploads" => ("upload", "UploadState"),
            _ => ("file", "FileState"),
        };
        let definition = &schema["$defs"][state.1];
        let required = definition["required"].as_array().unwrap();
        for name in definition["properties"].as_object().unwrap().keys() {
            let fields = values.iter().map(|value| &value[state.0][name]);
            let is_null = |field: &Value| field.is_null();
            if fields.clone().all(is_null) {
                faults.push(format!("{name} of {} is set in no document", state.1));
            }
            if !required.iter().any(|required| required == name) && !fields.clone().any(is_null) {
                faults.push(format!("{name} of {} is absent from no document", state.1));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The words of a state, of an outcome and of a refusal.
#[test]
fn the_documents_have_every_word_of_the_lists_of_words() {
    let mut words: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for &event_type in EventType::ALL {
        for value in documents(event_type).iter().map(Document::value) {
            for (name, pointer) in [
                ("item", "/item/status"),
                ("upload", "/upload/status"),
                ("outcome", "/file/outcome"),
                ("refusal", "/file/reason"),
                ("end", "/upload/reason"),
            ] {
                let word = value.pointer(pointer).and_then(Value::as_str);
                words.entry(name).or_default().extend(word.map(str::to_owned));
            }
        }
    }
    let refusals = [
        "content_missing",
        "parts_missing",
        "size_mismatch",
        "checksum_mismatch",
        "content_type_mismatch",
        "malware",
    ];
    let ends = [&refusals[..], &["by_owner", "item_deleted", "too_many_files"]].concat();
    for (name, wanted) in [
        ("item", &["draft", "active", "archived"][..]),
        (
            "upload",
            &[
                "pending", "received", "stored", "rejected", "expired", "aborted", "removed",
            ],
        ),
        ("outcome", &["stored", "rejected", "removed"]),
        ("refusal", &refusals),
        ("end", &ends),
    ] {
        let missing: Vec<_> = wanted
            .iter()
            .filter(|word| !words[name].contains(**word))
            .collect();
        assert!(missing.is_empty(), "{name}: no document has {missing:?}");
    }
}
