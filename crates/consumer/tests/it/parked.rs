//! Stands for the table of parked keys: one row for each message that waits, written by the newest tenure alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use depot_consumer::{Origin, ParkedKeys, ParkedUnavailable, Place, Slot, Tenure, TenureLost};
use uuid::Uuid;

#[derive(Clone, Default)]
pub struct Parked {
    rows: Arc<Mutex<Rows>>,
    pub down: Arc<AtomicBool>,
}

#[derive(Default)]
struct Rows {
    tenures: HashMap<(String, i32), Uuid>,
    /// By key and origin, so that the first of a key is its oldest.
    waiting: BTreeMap<Row, Slot>,
}

type Row = (Vec<u8>, String, i32, i64);

fn row(key: &[u8], origin: &Origin) -> Row {
    (
        key.to_vec(),
        origin.topic.clone(),
        origin.partition,
        origin.offset,
    )
}

impl Rows {
    fn holds(&self, tenure: &Tenure) -> Result<(), TenureLost> {
        let newest = self.tenures.get(&(tenure.topic.to_string(), tenure.partition));
        if newest == Some(&tenure.id) {
            Ok(())
        } else {
            Err(TenureLost)
        }
    }

    fn oldest(&self, key: &[u8]) -> Option<(Row, Slot)> {
        let mut of_key = self.waiting.iter().filter(|((have, ..), _)| have == key);
        of_key.next().map(|(row, slot)| (row.clone(), *slot))
    }
}

impl Parked {
    pub fn count(&self) -> usize {
        self.rows.lock().unwrap().waiting.len()
    }

    pub fn park_by_hand(&self, key: &str, topic: &str, offset: i64, slot: Slot) {
        let row = (key.as_bytes().to_vec(), topic.to_owned(), 0, offset);
        self.rows.lock().unwrap().waiting.insert(row, slot);
    }

    /// As another assignment of the partition would.
    pub fn take_over(&self, topic: &str, partition: i32) {
        let tenures = &mut self.rows.lock().unwrap().tenures;
        tenures.insert((topic.to_owned(), partition), Uuid::now_v7());
    }

    fn reached(&self) -> Result<MutexGuard<'_, Rows>, ParkedUnavailable> {
        if self.down.load(Ordering::SeqCst) {
            let refused = std::io::Error::other("connection refused");
            return Err(ParkedUnavailable::new("look for parked keys", refused));
        }
        Ok(self.rows.lock().unwrap())
    }
}

impl ParkedKeys for Parked {
    async fn begin(&self, tenure: &Tenure) -> Result<(), ParkedUnavailable> {
        let place = (tenure.topic.to_string(), tenure.partition);
        self.reached()?.tenures.insert(place, tenure.id);
        Ok(())
    }

    async fn follow(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
    ) -> Result<Result<Option<Slot>, TenureLost>, ParkedUnavailable> {
        let mut rows = self.reached()?;
        let Some((_, oldest)) = rows.oldest(key) else {
            return Ok(Ok(None));
        };
        Ok(rows.holds(tenure).map(|()| {
            rows.waiting.entry(row(key, origin)).or_insert(oldest);
            Some(oldest)
        }))
    }

    async fn park(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
        slot: Slot,
    ) -> Result<Result<(), TenureLost>, ParkedUnavailable> {
        let mut rows = self.reached()?;
        Ok(rows.holds(tenure).map(|()| {
            rows.waiting.insert(row(key, origin), slot);
        }))
    }

    async fn place(&self, _: &str, key: &[u8], origin: &Origin) -> Result<Place, ParkedUnavailable> {
        let rows = self.reached()?;
        let own = row(key, origin);
        if !rows.waiting.contains_key(&own) {
            return Ok(Place::NotParked);
        }
        Ok(match rows.oldest(key) {
            Some((oldest, slot)) if oldest == own => Place::Oldest(slot),
            Some((_, slot)) => Place::Behind(slot),
            None => Place::NotParked,
        })
    }

    async fn release(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
    ) -> Result<Result<(), TenureLost>, ParkedUnavailable> {
        let mut rows = self.reached()?;
        Ok(rows.holds(tenure).map(|()| {
            rows.waiting.remove(&row(key, origin));
        }))
    }
}
