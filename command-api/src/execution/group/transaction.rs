//! One transaction of several commands.

use std::collections::{HashMap, HashSet};

use depot_domain::{CommandId, Item, ItemId};
use serde_json::Value;
use uuid::Uuid;

use super::{
    super::answer::Answer,
    member::{Decided, Member},
    spans::Spans,
};
use crate::{
    commands::{CommandError, ItemWrite, UnitOfWork, Writer},
    store::{
        self,
        idempotency::{self, NewAnswer},
    },
};

/// How long the keys are waited for that another transaction is inserting: all of the group waits with the one, and holds
/// items meanwhile. Who has the key and waits for such an item is let by when this is over.
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
    let spans = Spans::begin(writer, members);
    let done = run_in(&spans, writer, ttl_hours, members).await;
    spans.end(&done);
    done
}

async fn run_in(
    spans: &Spans,
    writer: &Writer,
    ttl_hours: i32,
    members: &[Member],
) -> Result<Vec<Option<Answer>>, CommandError> {
    let mut unit = writer.begin(CommandId::generate(), LOCK_TIMEOUT).await?;
    match execute(&mut unit, spans, ttl_hours, members).await {
        Ok(answers) => unit.commit().await.map(|()| answers),
        Err(error) => {
            unit.roll_back().await;
            Err(error)
        }
    }
}

/// Locks what nobody else has, decides, claims the keys with the answers, and writes what is ours.
async fn execute(
    unit: &mut UnitOfWork,
    spans: &Spans,
    ttl_hours: i32,
    members: &[Member],
) -> Result<Vec<Option<Answer>>, CommandError> {
    let mut items = lock(unit, members).await?;
    let moment = unit.moment();
    let decide = |member: &Member| match member.target() {
        None => member.decide(None, &moment),
        Some(id) => member.decide(Some(items.remove(&id)?), &moment),
    };
    let mut decided: Vec<_> = members.iter().map(decide).collect();
    claim(unit, ttl_hours, members, &mut decided).await?;
    write(unit, spans, members, &decided).await?;
    Ok(decided.into_iter().map(|decided| Some(decided?.answer)).collect())
}

/// Locks the items that are there and that nobody else has locked.
async fn lock(unit: &mut UnitOfWork, members: &[Member]) -> Result<HashMap<ItemId, Item>, CommandError> {
    let ids: Vec<Uuid> = members
        .iter()
        .filter_map(|member| Some(member.target()?.0))
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let items = store::items::lock_free(unit.conn(), &ids).await?;
    Ok(items.into_iter().map(|item| (item.id, item)).collect())
}

/// Inserts the keys with their answers. What was decided for a key that is another's is forgotten.
async fn claim(
    unit: &mut UnitOfWork,
    ttl_hours: i32,
    members: &[Member],
    decided: &mut [Option<Decided>],
) -> Result<(), CommandError> {
    let headers: Vec<Value> = decided
        .iter()
        .map(|decided| {
            decided
                .as_ref()
                .map_or(Value::Null, |decided| decided.answer.headers())
        })
        .collect();
    let (mut places, mut answers) = (Vec::new(), Vec::new());
    for (place, ((member, decided), headers)) in members.iter().zip(&*decided).zip(&headers).enumerate() {
        if let (Some(key), Some(Decided { answer, .. })) = (&member.identity.key, decided) {
            places.push(place);
            answers.push(NewAnswer {
                key,
                fingerprint: &member.identity.fingerprint,
                status: answer.status(),
                headers,
                body: answer.body(),
            });
        }
    }
    if answers.is_empty() {
        return Ok(());
    }
    let ours = idempotency::insert_answered(unit.conn(), &answers, ttl_hours).await?;
    let ours: HashSet<usize> = ours.into_iter().map(|at| places[at]).collect();
    for place in places.into_iter().filter(|place| !ours.contains(place)) {
        decided[place] = None;
    }
    Ok(())
}

async fn write(
    unit: &mut UnitOfWork,
    spans: &Spans,
    members: &[Member],
    decided: &[Option<Decided>],
) -> Result<(), CommandError> {
    let (mut new, mut next) = (Vec::new(), Vec::new());
    for (place, (member, decided)) in members.iter().zip(decided).enumerate() {
        let Some((item, write)) = decided.as_ref().and_then(|decided| decided.write.as_ref()) else {
            continue;
        };
        match write {
            ItemWrite::Nothing => continue,
            ItemWrite::New(_) => new.push(item),
            ItemWrite::Next(..) => next.push(item),
        }
        unit.record_write_of(&spans.cause(place, member), item, write, member.actor());
    }
    if !new.is_empty() {
        store::items::insert_all(unit.conn(), &new).await?;
    }
    if !next.is_empty() {
        store::items::update_all(unit.conn(), &next).await?;
    }
    Ok(())
}
