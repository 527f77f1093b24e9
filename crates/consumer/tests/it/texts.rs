//! A handler of text made of a closure, which keeps what it handled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use depot_consumer::{Context, Failure, KeyHandler, Poison, Record};
use futures::future::BoxFuture;

/// Decodes text; `bad` is poison, whatever isn't UTF-8 too.
pub fn decode_text(record: &Record) -> Result<String, Poison> {
    let bytes = record
        .payload
        .as_deref()
        .ok_or_else(|| Poison::new("no-value", "the record has no value"))?;
    match std::str::from_utf8(bytes) {
        Ok("bad") => Err(Poison::new("bad", "the value is `bad`")),
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(Poison::new("not-text", error.to_string())),
    }
}

type Act = Box<dyn Fn(Record, Context) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

/// A keyed handler of text made of a closure, which also keeps what was handled.
pub struct Texts {
    act: Act,
    handled: Handled,
}

/// Keys and values that were handled to the end, by partition, in the order of their ends.
#[derive(Clone, Default)]
pub struct Handled(Arc<Mutex<ByPartition>>);

type ByPartition = BTreeMap<i32, Vec<(String, String)>>;

impl Handled {
    pub fn note(&self, record: &Record) {
        let text =
            |bytes: &Option<Vec<u8>>| String::from_utf8_lossy(bytes.as_deref().unwrap_or(b"-")).into_owned();
        let entry = (text(&record.key), text(&record.payload));
        self.0
            .lock()
            .unwrap()
            .entry(record.partition)
            .or_default()
            .push(entry);
    }

    /// Values of one key (or of all), in order.
    pub fn values(&self, partition: i32, key: Option<&str>) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let of_partition = all.get(&partition).into_iter().flatten();
        of_partition
            .filter(|(k, _)| key.is_none_or(|key| k == key))
            .map(|(_, value)| value.clone())
            .collect()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().values().map(Vec::len).sum()
    }

    pub fn all_values(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap()
            .values()
            .flatten()
            .map(|(_, value)| value.clone())
            .collect()
    }
}

impl Texts {
    pub fn new<F>(handled: &Handled, act: impl Fn(Record, Context) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        Self {
            act: Box::new(move |record, cx| Box::pin(act(record, cx))),
            handled: handled.clone(),
        }
    }

    /// Does nothing but note.
    pub fn noting(handled: &Handled) -> Self {
        Self::new(handled, |_, _| async { Ok(()) })
    }
}

impl KeyHandler for Texts {
    type Event = String;

    fn decode(&self, record: &Record) -> Result<String, Poison> {
        decode_text(record)
    }

    async fn handle(&self, _event: &String, record: &Record, cx: &Context) -> Result<(), Failure> {
        (self.act)(record.clone(), cx.clone()).await?;
        self.handled.note(record);
        Ok(())
    }
}
