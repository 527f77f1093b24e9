use serde::Serialize;

use crate::{
    declared_events::DeclaredData, envelope::Envelope, file_events::FileData, item_events::ItemData,
    upload_events::UploadData,
};

/// What an event says; untagged, since the type stands in the envelope.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EventData {
    Item(ItemData),
    Upload(UploadData),
    File(FileData),
    Declared(DeclaredData),
}

/// An event: envelope and data.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub envelope: Envelope,
    pub data: EventData,
}

impl Event {
    /// The message's value: the data alone, as JSON.
    pub fn payload(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.data)
    }
}
