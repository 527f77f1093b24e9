use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use depot_schemas::EventType;
use uuid::Uuid;

use super::parking::ToPark;
use crate::{
    outstanding::Outstanding,
    snapshot::Snapshot,
    store::{Page, Row, Tenure},
};

/// How far a shard has come: every row visible in `base` is let go, and of an unfinished set the first rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub base: Snapshot,
    pub unfinished: Option<Unfinished>,
}

impl Position {
    /// Everything that is visible in `snapshot` is let go.
    fn complete(snapshot: Snapshot) -> Self {
        Self {
            base: snapshot,
            unfinished: None,
        }
    }
}

/// A set of rows that is published page by page: those visible in `target` and not in the position's base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub target: Snapshot,
    /// The largest id of the pages before; 0 at the start.
    pub after_id: i64,
}

/// Rows of one page, from being read to being acknowledged.
pub(crate) struct Round {
    /// Not yet handed to the client.
    pub pending: VecDeque<Row>,
    pub outstanding: Arc<Outstanding>,
    /// Handed to the client.
    pub sent: u64,
    /// Of parked aggregates, not yet copied to where they wait.
    pub parking: Vec<Row>,
    /// Where the shard stands once all of them are acknowledged or parked.
    pub end: Position,
    /// The newest version of each aggregate in it.
    versions: HashMap<Uuid, i64>,
    /// Kept while a refused row is looked for.
    pub event_ids: Vec<Uuid>,
}

impl Round {
    pub(crate) fn new(rows: Vec<Row>, end: Position) -> Self {
        Self {
            sent: 0,
            parking: Vec::new(),
            pending: rows.into(),
            outstanding: Arc::default(),
            end,
            versions: HashMap::new(),
            event_ids: Vec::new(),
        }
    }

    /// Notes that `row` was handed to the client; its event's id too while a refused row is looked for.
    pub(crate) fn note_sent(&mut self, row: &Row, keep_id: bool) {
        self.sent += 1;
        self.versions.insert(row.aggregate_id, row.aggregate_version);
        if keep_id {
            self.event_ids.push(row.event_id);
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.pending.is_empty() && self.parking.is_empty() && self.outstanding.count() == 0
    }
}

/// A shard that this relay holds.
pub(crate) struct Shard {
    pub tenure: Tenure,
    /// Every row up to here is acknowledged.
    pub acked: Position,
    /// Rows were let go since the position was last written.
    pub dirty: bool,
    /// Read up to here; ahead of `acked` by the rounds.
    pub read: Position,
    /// In the order of reading.
    pub rounds: VecDeque<Round>,
    pub parked: HashSet<Uuid>,
    /// In `parked`, not yet written down.
    pub to_park: Vec<ToPark>,
    /// To be handed over once nothing is in flight.
    pub leaving: bool,
}

impl Shard {
    pub(crate) fn new(tenure: Tenure, position: Position) -> Self {
        Self {
            tenure,
            acked: position.clone(),
            dirty: false,
            read: position,
            rounds: VecDeque::new(),
            parked: HashSet::new(),
            to_park: Vec::new(),
            leaving: false,
        }
    }

    /// Notes what is new since `read`: everything that is visible in `seen_in`. None if it is more than a page.
    pub(crate) fn add_new(&mut self, rows: Option<Vec<Row>>, seen_in: &Snapshot) {
        match rows {
            Some(rows) => self.advance(rows, Position::complete(seen_in.clone())),
            None => {
                self.read.unfinished = Some(Unfinished {
                    target: seen_in.clone(),
                    after_id: 0,
                });
            }
        }
    }

    /// Notes the next page of the unfinished set.
    pub(crate) fn add_page(&mut self, page: Page) {
        let Some(set) = self.read.unfinished.clone() else {
            return;
        };
        let last = page.rows.iter().map(|row| row.id).max();
        let end = match last {
            Some(after_id) if page.more => Position {
                base: self.read.base.clone(),
                unfinished: Some(Unfinished { after_id, ..set }),
            },
            _ => Position::complete(set.target),
        };
        self.advance(page.rows, end);
    }

    fn advance(&mut self, rows: Vec<Row>, end: Position) {
        self.read = end.clone();
        if !rows.is_empty() {
            self.rounds.push_back(Round::new(rows, end));
        } else if let Some(newest) = self.rounds.back_mut() {
            newest.end = end;
        } else {
            self.acked = end;
        }
    }

    /// Takes off the rounds at the front that are done, and answers them.
    pub(crate) fn settle(&mut self) -> Vec<Round> {
        let mut done = Vec::new();
        while let Some(round) = self.rounds.pop_front_if(|round| round.is_done()) {
            self.acked = round.end.clone();
            self.dirty = true;
            done.push(round);
        }
        done
    }

    /// Forgets what was read and not acknowledged: it is read again.
    pub(crate) fn start_again(&mut self) {
        self.rounds.clear();
        self.read = self.acked.clone();
    }

    /// Whether `row`, to be sent in the round `index`, has a newer version than what was sent of its aggregate before
    /// it, or tells the newest one once more. If not, the order of this aggregate is broken where it was written.
    pub(crate) fn is_in_order(&self, index: usize, row: &Row) -> bool {
        let mut sent = self.rounds.iter().take(index + 1).rev();
        let newest = sent.find_map(|round| round.versions.get(&row.aggregate_id));
        newest.is_none_or(|version| match version.cmp(&row.aggregate_version) {
            Ordering::Less => true,
            Ordering::Equal => is_snapshot(row),
            Ordering::Greater => false,
        })
    }

    pub(crate) fn rows_in_flight(&self) -> usize {
        self.rounds
            .iter()
            .map(|round| round.pending.len() + round.outstanding.count())
            .sum()
    }
}

fn is_snapshot(row: &Row) -> bool {
    EventType::from_name(&row.event_type).is_some_and(EventType::is_snapshot)
}
