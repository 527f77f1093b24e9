use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use depot_consumer::{Context, Failure, KeyHandler, Poison, Record};

/// What was handled to its end, in order, as `key/value`, and how often each value is to fail.
#[derive(Clone, Default)]
pub struct Story {
    handled: Arc<Mutex<Vec<String>>>,
    pub failures: Arc<Mutex<HashMap<String, u32>>>,
}

impl Story {
    /// The value fails so often, by a fault of its own, before it passes.
    pub fn fails(&self, value: &str, times: u32) {
        self.failures.lock().unwrap().insert(value.to_owned(), times);
    }

    pub fn handled(&self) -> Vec<String> {
        self.handled.lock().unwrap().clone()
    }

    /// The first occurrences of a key's values, in order.
    pub fn of(&self, key: &str) -> Vec<String> {
        let mut values: Vec<String> = Vec::new();
        for entry in self.handled() {
            match entry.split_once('/') {
                Some((k, value)) if k == key && !values.iter().any(|v| v == value) => {
                    values.push(value.to_owned());
                }
                _ => {}
            }
        }
        values
    }
}

pub struct Texts(pub Story);

impl KeyHandler for Texts {
    type Event = String;

    fn decode(&self, record: &Record) -> Result<String, Poison> {
        let value = record.payload.clone().unwrap_or_default();
        match String::from_utf8(value) {
            Ok(text) if text != "bad" => Ok(text),
            _ => Err(Poison::new("bad", "cannot be read")),
        }
    }

    async fn handle(&self, value: &String, record: &Record, _: &Context) -> Result<(), Failure> {
        let left = self.0.failures.lock().unwrap().get(value).copied().unwrap_or(0);
        if left > 0 {
            self.0.fails(value, left - 1);
            return Err(Failure::retry_later("not yet", "a fault of its own"));
        }
        let key = String::from_utf8(record.key.clone().unwrap()).unwrap();
        self.0.handled.lock().unwrap().push(format!("{key}/{value}"));
        Ok(())
    }
}
