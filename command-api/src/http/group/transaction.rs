//! One transaction of several commands.

use std::collections::HashMap;

use depot_domain::{CommandId, Item, ItemId};
use uuid::Uuid;

use super::{
    super::answer::Answer,
    member::{Decided, Member},
};
use crate::{
    commands::{CommandError, ItemWrite, UnitOfWork, Writer},
    store::{
        self,
        idempotency::{self, Key},
    },
};

/// How long the keys are waited for that another transaction is inserting: all of the group waits with the one.
const LOCK_TIMEOUT: &str = "50ms";

/// Does all of them, and answers what each came to, after the commit. None is left to be run alone: its key or its item is
/// another's, or it has no outcome that could be kept.
///
/// # Errors
/// Nothing was done, or, if the connection broke during the commit, it is not known.
pub(super) async fn run(
    writer: &Writer,
    ttl_hours: i32,
    members: &[Member],
) -> Result<Vec<Option<Answer>>, CommandError> {
    let mut unit = writer.begin(CommandId::generate(), LOCK_TIMEOUT).await?;
    match execute(&mut unit, ttl_hours, members).await {
        Ok(answers) => unit.commit().await.map(|()| answers),
        Err(error) => {
            unit.roll_back().await;
            Err(error)
        }
    }
}

/// Keys first, then items, each in order.
async fn execute(
    unit: &mut UnitOfWork,
    ttl_hours: i32,
    members: &[Member],
) -> Result<Vec<Option<Answer>>, CommandError> {
    let ours = claim(unit, ttl_hours, members).await?;
    let mut items = lock(unit, members, &ours).await?;
    let moment = unit.moment();
    let decide = |(member, ours): (&Member, &bool)| match member.target() {
        _ if !ours => None,
        None => member.decide(None, &moment),
        Some(id) => member.decide(Some(items.remove(&id)?), &moment),
    };
    let decided: Vec<_> = members.iter().zip(&ours).map(decide).collect();
    write(unit, members, &decided).await?;
    keep(unit, members, &ours, &decided).await?;
    Ok(decided.into_iter().map(|decided| Some(decided?.answer)).collect())
}

/// Inserts the keys. True for those that are ours, and for who has none.
async fn claim(unit: &mut UnitOfWork, ttl_hours: i32, members: &[Member]) -> Result<Vec<bool>, CommandError> {
    let mut ours: Vec<_> = members
        .iter()
        .map(|member| member.identity.key.is_none())
        .collect();
    let (mut places, mut keys, mut fingerprints) = (Vec::new(), Vec::new(), Vec::new());
    for (place, member) in members.iter().enumerate() {
        if let Some(key) = &member.identity.key {
            places.push(place);
            keys.push(key);
            fingerprints.push(member.identity.fingerprint.clone());
        }
    }
    if !keys.is_empty() {
        let claimed = idempotency::insert_all(unit.conn(), &keys, &fingerprints, ttl_hours).await?;
        for at in claimed {
            ours[places[at]] = true;
        }
    }
    Ok(ours)
}

/// Locks the items that nobody else has locked.
async fn lock(
    unit: &mut UnitOfWork,
    members: &[Member],
    ours: &[bool],
) -> Result<HashMap<ItemId, Item>, CommandError> {
    let members = members.iter().zip(ours).filter(|(_, ours)| **ours);
    let ids: Vec<Uuid> = members
        .filter_map(|(member, _)| Some(member.target()?.0))
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let items = store::items::lock_free(unit.conn(), &ids).await?;
    Ok(items.into_iter().map(|item| (item.id, item)).collect())
}

async fn write(
    unit: &mut UnitOfWork,
    members: &[Member],
    decided: &[Option<Decided>],
) -> Result<(), CommandError> {
    let (mut new, mut next) = (Vec::new(), Vec::new());
    for (member, decided) in members.iter().zip(decided) {
        let Some((item, write)) = decided.as_ref().and_then(|decided| decided.write.as_ref()) else {
            continue;
        };
        match write {
            ItemWrite::Nothing => continue,
            ItemWrite::New(_) => new.push(item),
            ItemWrite::Next(..) => next.push(item),
        }
        unit.record_write_of(&member.cause, item, write, member.actor());
    }
    if !new.is_empty() {
        store::items::insert_all(unit.conn(), &new).await?;
    }
    if !next.is_empty() {
        store::items::update_all(unit.conn(), &next).await?;
    }
    Ok(())
}

/// Keeps the answers under their keys, and takes back the keys of those that have none.
async fn keep(
    unit: &mut UnitOfWork,
    members: &[Member],
    ours: &[bool],
    decided: &[Option<Decided>],
) -> Result<(), CommandError> {
    let mut left: Vec<&Key> = Vec::new();
    let (mut keys, mut status, mut headers, mut bodies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((member, ours), decided) in members.iter().zip(ours).zip(decided) {
        let Some(key) = member.identity.key.as_ref().filter(|_| *ours) else {
            continue;
        };
        match decided {
            Some(Decided { answer, .. }) => {
                keys.push(key);
                status.push(answer.status());
                headers.push(answer.headers());
                bodies.push(answer.body());
            }
            None => left.push(key),
        }
    }
    if !keys.is_empty() {
        idempotency::keep_answers(unit.conn(), &keys, &status, &headers, &bodies).await?;
    }
    if !left.is_empty() {
        idempotency::release(unit.conn(), &left).await?;
    }
    Ok(())
}
