//! The log as its readers are to see it: of each version the event that came first.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Evidence, evidence::Event};

pub const ITEMS: &str = "depot.items.v1";
pub const UPLOADS: &str = "depot.uploads.v1";
pub const FILES: &str = "depot.files.v1";

/// By topic and aggregate: of each version what the aggregate was then.
#[derive(Default)]
pub struct First<'a>(BTreeMap<&'a str, BTreeMap<&'a str, Life<'a>>>);

type Life<'a> = BTreeMap<i64, (&'a Event, Value)>;

impl<'a> First<'a> {
    pub fn of(evidence: &'a Evidence) -> Self {
        let mut first = Self::default();
        for event in &evidence.events {
            let topic = first.0.entry(event.topic.as_str()).or_default();
            let life = topic.entry(event.key.as_str()).or_default();
            life.entry(event.version).or_insert_with(|| (event, event.data()));
        }
        first
    }

    /// What an aggregate was at a version.
    pub fn at(&self, topic: &str, id: &str, version: i64) -> Option<&Value> {
        let life = self.0.get(topic)?.get(id)?;
        life.get(&version).map(|(_, data)| data)
    }

    pub fn all(&self) -> impl Iterator<Item = (&'a Event, &Value)> {
        let lives = self.0.values().flat_map(BTreeMap::values);
        lives
            .flat_map(BTreeMap::values)
            .map(|(event, data)| (*event, data))
    }

    /// Of each aggregate of a topic its states, oldest first.
    pub fn lives(&self, topic: &str) -> impl Iterator<Item = (&'a str, Vec<&Value>)> {
        let lives = self.0.get(topic).into_iter().flatten();
        lives.map(|(id, life)| (*id, life.values().map(|(_, data)| data).collect()))
    }
}
