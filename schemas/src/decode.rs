use std::fmt;

use depot_domain::{CommandId, Declaration, EventId, VersionToken};
use serde::de::DeserializeOwned;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{
    declared_events::DeclaredData,
    envelope::{Envelope, header},
    event::{Event, EventData},
    event_type::{Entity, EventType},
};

/// Why a message is no event, as a word for metrics and dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecodeErrorClass {
    MissingKey,
    MissingHeader,
    InvalidHeader,
    UnknownType,
    UnknownVersion,
    /// A known type on the topic of another entity.
    WrongTopic,
    NotJson,
    InvalidData,
    /// Key, subject and data name different aggregates or versions.
    Inconsistent,
}

impl DecodeErrorClass {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::MissingHeader => "missing_header",
            Self::InvalidHeader => "invalid_header",
            Self::UnknownType => "unknown_type",
            Self::UnknownVersion => "unknown_version",
            Self::WrongTopic => "wrong_topic",
            Self::NotJson => "not_json",
            Self::InvalidData => "invalid_data",
            Self::Inconsistent => "inconsistent",
        }
    }
}

/// A message that is no event; decoding it again will fail again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    pub class: DecodeErrorClass,
    pub detail: String,
}

impl DecodeError {
    fn new(class: DecodeErrorClass, detail: impl Into<String>) -> Self {
        Self {
            class,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class.as_str(), self.detail)
    }
}

impl std::error::Error for DecodeError {}

/// Reads a message of the topic of `entity` as an event.
///
/// `header` looks a header up by name. Unknown headers and unknown fields of the data are ignored.
///
/// # Errors
/// The message is no event of that topic, or its major version is not known here: it is poison for this reader.
pub fn decode<'a>(
    entity: Entity,
    key: Option<&[u8]>,
    header: impl Fn(&str) -> Option<&'a [u8]>,
    payload: Option<&[u8]>,
) -> Result<Event, DecodeError> {
    let envelope = decode_envelope(entity, key, &header)?;
    let payload = payload.unwrap_or_default();
    let data = match entity {
        Entity::Items => EventData::Item(parse(payload)?),
        Entity::Uploads => EventData::Upload(parse(payload)?),
        Entity::Files => EventData::File(parse(payload)?),
        Entity::Declared(of) => EventData::Declared(parse_declared(of, payload)?),
    };
    let (id, version) = match &data {
        EventData::Item(data) => (data.item.id, data.item.version),
        EventData::Upload(data) => (data.upload.id, data.upload.version),
        EventData::File(data) => (data.file.upload_id, data.file.version),
        EventData::Declared(data) => (data.aggregate.id, data.aggregate.version),
    };
    if (id, version) != (envelope.subject, envelope.version.version) {
        let detail = format!(
            "the data is of {id} version {version}, the headers say {} version {}",
            envelope.subject, envelope.version.version
        );
        return Err(DecodeError::new(DecodeErrorClass::Inconsistent, detail));
    }
    Ok(Event { envelope, data })
}

fn decode_envelope<'a>(
    entity: Entity,
    key: Option<&[u8]>,
    lookup: &impl Fn(&str) -> Option<&'a [u8]>,
) -> Result<Envelope, DecodeError> {
    let key = key.ok_or_else(|| DecodeError::new(DecodeErrorClass::MissingKey, "the message has no key"))?;
    let optional = |name: &str| lookup(name).and_then(|value| std::str::from_utf8(value).ok());
    let required = |name: &str| {
        optional(name).ok_or_else(|| {
            DecodeError::new(
                DecodeErrorClass::MissingHeader,
                format!("header `{name}` is missing or no UTF-8"),
            )
        })
    };
    let event_type = event_type(required(header::TYPE)?)?;
    if event_type.entity() != entity {
        return Err(DecodeError::new(
            DecodeErrorClass::WrongTopic,
            format!("`{event_type}` does not belong on this topic"),
        ));
    }
    let subject: Uuid = header_value(header::SUBJECT, required(header::SUBJECT)?)?;
    if key != subject.to_string().as_bytes() {
        let detail = format!("the key is `{}`, the subject {subject}", key.escape_ascii());
        return Err(DecodeError::new(DecodeErrorClass::Inconsistent, detail));
    }
    let time = required(header::TIME)?;
    let time = OffsetDateTime::parse(time, &Rfc3339).map_err(|_| invalid_header(header::TIME, time))?;
    Ok(Envelope {
        id: EventId(header_value(header::ID, required(header::ID)?)?),
        event_type,
        time,
        subject,
        version: VersionToken {
            epoch: header_value(
                header::RESTORE_EPOCH,
                optional(header::RESTORE_EPOCH).unwrap_or("0"),
            )?,
            version: header_value(header::AGGREGATE_VERSION, required(header::AGGREGATE_VERSION)?)?,
        },
        causation_id: CommandId(header_value(
            header::CAUSATION_ID,
            required(header::CAUSATION_ID)?,
        )?),
        traceparent: optional(header::TRACEPARENT).map(str::to_owned),
        tracestate: optional(header::TRACESTATE).map(str::to_owned),
    })
}

fn event_type(name: &str) -> Result<EventType, DecodeError> {
    if let Some(event_type) = EventType::from_name(name) {
        return Ok(event_type);
    }
    let stem = |name: &str| name.rsplit_once(".v").map(|(stem, _)| stem.to_owned());
    let known_stem = stem(name)
        .is_some_and(|unknown| EventType::all().any(|t| stem(t.name()).as_deref() == Some(&unknown)));
    let class = if known_stem {
        DecodeErrorClass::UnknownVersion
    } else {
        DecodeErrorClass::UnknownType
    };
    let shown: String = name.chars().take(200).collect();
    Err(DecodeError::new(
        class,
        format!("`{shown}` is not known to this reader"),
    ))
}

fn header_value<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, DecodeError> {
    text.parse().map_err(|_| invalid_header(name, text))
}

fn invalid_header(name: &str, text: &str) -> DecodeError {
    let shown: String = text.chars().take(200).collect();
    DecodeError::new(
        DecodeErrorClass::InvalidHeader,
        format!("header `{name}` is `{shown}`"),
    )
}

fn parse_declared(of: &Declaration, payload: &[u8]) -> Result<DeclaredData, DecodeError> {
    let data: DeclaredData = parse(payload)?;
    of.reads(&data.aggregate.state)
        .map_err(|error| DecodeError::new(DecodeErrorClass::InvalidData, error.to_string()))?;
    Ok(data)
}

fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(payload).map_err(|error| {
        let class = if error.is_data() {
            DecodeErrorClass::InvalidData
        } else {
            DecodeErrorClass::NotJson
        };
        DecodeError::new(class, error.to_string())
    })
}
