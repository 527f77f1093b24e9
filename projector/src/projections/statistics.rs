//! Statistics by tag and owner: `read.tag_statistics`, `read.owner_statistics`.
//!
//! They never look at events. What changes them are the transitions of rows of `read.items`, from what a row was to
//! what it is.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;
use uuid::Uuid;

/// What counts of an item that is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub owner: String,
    pub tags: BTreeSet<String>,
    pub files: i64,
    pub file_bytes: i64,
}

/// A row that was replaced or inserted; none stands for a row that is not there, or is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub id: Uuid,
    pub before: Option<Counted>,
    pub after: Option<Counted>,
}

/// By how much the statistics of an owner change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnerDelta {
    pub items: i64,
    pub files: i64,
    pub file_bytes: i64,
}

/// What a transaction changes, sorted by key; nothing that stays as it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Deltas {
    pub tags: BTreeMap<String, i64>,
    pub owners: BTreeMap<String, OwnerDelta>,
}

impl Deltas {
    pub fn of(transitions: &[Transition]) -> Self {
        let mut deltas = Self::default();
        for Transition { before, after, .. } in transitions {
            before.iter().for_each(|counted| deltas.add(counted, -1));
            after.iter().for_each(|counted| deltas.add(counted, 1));
        }
        deltas.tags.retain(|_, items| *items != 0);
        deltas.owners.retain(|_, delta| *delta != OwnerDelta::default());
        deltas
    }

    fn add(&mut self, counted: &Counted, sign: i64) {
        for tag in &counted.tags {
            *self.tags.entry(tag.clone()).or_default() += sign;
        }
        let owner = self.owners.entry(counted.owner.clone()).or_default();
        owner.items += sign;
        owner.files += sign * counted.files;
        owner.file_bytes = owner.file_bytes.saturating_add(sign * counted.file_bytes);
    }
}

/// Adds what a transaction changes. Tags come before owners, each sorted: all lock the same rows in the same order. A row
/// that falls to zero stays; removing it would race with a batch that is about to raise it.
pub(crate) async fn apply(
    transaction: &mut PgConnection,
    projection: i32,
    deltas: &Deltas,
) -> Result<(), sqlx::Error> {
    if deltas.tags.is_empty() && deltas.owners.is_empty() {
        return Ok(());
    }
    let tags: Vec<String> = deltas.tags.keys().cloned().collect();
    let tagged: Vec<i64> = deltas.tags.values().copied().collect();
    let owners: Vec<String> = deltas.owners.keys().cloned().collect();
    let items: Vec<i64> = deltas.owners.values().map(|delta| delta.items).collect();
    let files: Vec<i64> = deltas.owners.values().map(|delta| delta.files).collect();
    let file_bytes: Vec<i64> = deltas.owners.values().map(|delta| delta.file_bytes).collect();
    sqlx::query!(
        r#"WITH tagged AS (
               INSERT INTO read.tag_statistics AS t (projection, tag, items)
               SELECT $1, d.tag, d.items FROM unnest($2::text[], $3::bigint[]) AS d (tag, items)
               ORDER BY d.tag COLLATE "C"
               ON CONFLICT (projection, tag) DO UPDATE SET items = t.items + EXCLUDED.items
               RETURNING 1
           )
           INSERT INTO read.owner_statistics AS t (projection, owner, items, files, file_bytes)
           SELECT $1, d.owner, d.items, d.files, d.file_bytes
           FROM unnest($4::text[], $5::bigint[], $6::bigint[], $7::bigint[]) AS d (owner, items, files, file_bytes)
           -- Runs the tags to their end before the first owner is locked.
           WHERE (SELECT count(*) FROM tagged) IS NOT NULL
           ORDER BY d.owner COLLATE "C"
           ON CONFLICT (projection, owner) DO UPDATE SET
               items = t.items + EXCLUDED.items, files = t.files + EXCLUDED.files,
               file_bytes = t.file_bytes + EXCLUDED.file_bytes"#,
        projection,
        &tags,
        &tagged,
        &owners,
        &items,
        &files,
        &file_bytes
    )
    .execute(transaction)
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(owner: &str, tags: &[&str], files: i64, file_bytes: i64) -> Option<Counted> {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Some(Counted {
            owner: owner.to_owned(),
            tags,
            files,
            file_bytes,
        })
    }

    fn transition(before: Option<Counted>, after: Option<Counted>) -> Transition {
        Transition {
            id: Uuid::nil(),
            before,
            after,
        }
    }

    #[test]
    fn a_change_counts_by_what_the_row_was_and_is() {
        let deltas = Deltas::of(&[transition(
            counted("a", &["x", "y"], 1, 10),
            counted("a", &["y", "z"], 2, 30),
        )]);
        assert_eq!(
            deltas.tags,
            BTreeMap::from([("x".to_owned(), -1), ("z".to_owned(), 1)])
        );
        let owner = OwnerDelta {
            items: 0,
            files: 1,
            file_bytes: 20,
        };
        assert_eq!(deltas.owners, BTreeMap::from([("a".to_owned(), owner)]));
    }

    #[test]
    fn what_comes_and_goes_in_one_batch_changes_nothing() {
        let transitions = [
            transition(None, counted("a", &["x"], 1, 10)),
            transition(counted("a", &["x"], 1, 10), None),
        ];
        assert_eq!(Deltas::of(&transitions), Deltas::default());
    }

    #[test]
    fn a_row_that_was_a_tombstone_and_stays_one_changes_nothing() {
        assert_eq!(Deltas::of(&[transition(None, None)]), Deltas::default());
    }
}
