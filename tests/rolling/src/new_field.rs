//! Whether what the next version brings is there: the field in the events that it makes and in what it shows of them, and in no
//! event of the version before.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result, ensure};
use depot_faults::{
    client::Client,
    history::{Kind, Operation, Told},
    load::World,
    log,
};
use serde_json::Value;
use uuid::Uuid;

/// Of an upload: who caused its newest change.
const FIELD: &str = "updated_by";
const UPLOADS: &str = "depot.uploads.v1";
/// So many are looked at, and have to come within that time.
const ENOUGH: usize = 10;
const WITHIN: Duration = Duration::from_secs(60);

/// When which versions were at work, in milliseconds of the history.
#[derive(Debug, Default, Clone, Copy)]
pub struct Times {
    /// The first instance of command-api of the next version was about to start.
    pub first_next: u64,
    /// The last one of the current version had ended.
    pub all_next: u64,
    /// The first one of the current version was about to come back, or the load was over.
    pub first_back: u64,
    /// The last one of the next version had ended; none where it was not rolled back.
    pub all_back: Option<u64>,
}

/// Waits for uploads that the next version alone has handled, and asks for them: each says who changed it.
pub async fn is_shown(
    world: &World,
    client_of: impl Fn(&str) -> Result<Client>,
    since: u64,
) -> Result<usize> {
    let announced = async {
        loop {
            let told = world.history.told();
            let since_then = announcements(&told).filter(|operation| operation.began_ms > since);
            let found: Vec<Operation> = since_then.take(ENOUGH).cloned().collect();
            if found.len() == ENOUGH {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let announced = tokio::time::timeout(WITHIN, announced)
        .await
        .with_context(|| format!("no {ENOUGH} uploads were announced within {WITHIN:?}"))?;
    for operation in &announced {
        let (upload, version) = (
            operation.upload.context("an upload has an id")?,
            operation.version.context("and a version")?,
        );
        let client = client_of(&operation.actor)?;
        let path = format!("/api/v1/uploads/{upload}?min_version={version}");
        let answer = Client::send(client.query(&path).header("Prefer", "wait=20")).await?;
        ensure!(
            answer.status.is_success() && !answer.text(FIELD).is_empty(),
            "upload {upload} was announced at {} ms, to the next version, and has no {FIELD}: {} {}",
            operation.began_ms,
            answer.status,
            answer.json()
        );
    }
    Ok(announced.len())
}

/// Compares every announcement with its event, which is there before the announcement is answered. Answers how many events
/// have the field, and how many have not.
pub async fn is_in_the_log(brokers: &str, told: &Told, times: Times) -> Result<(usize, usize)> {
    let mut first: HashMap<String, Value> = HashMap::new();
    let (mut with, mut without) = (0, 0);
    for message in log::read_whole(brokers, UPLOADS).await? {
        let data: Value = serde_json::from_slice(&message.payload).context("an event's data")?;
        let upload = &data["upload"];
        match upload[FIELD].is_null() {
            true => without += 1,
            false => with += 1,
        }
        if upload["version"] == 1 {
            first.entry(message.key_text().to_owned()).or_insert(data);
        }
    }
    for operation in announcements(told) {
        let Some(is_next) = times.version_of(operation) else {
            continue;
        };
        let id = operation.upload.as_ref().map(Uuid::to_string).unwrap_or_default();
        let data = first
            .get(&id)
            .with_context(|| format!("the log has no upload {id}"))?;
        let by = data["upload"][FIELD].as_str();
        let expected = is_next.then_some(operation.actor.as_str());
        ensure!(
            by == expected,
            "upload {id}, announced from {} to {} ms ({times:?}): {FIELD} is {by:?}, not {expected:?}",
            operation.began_ms,
            operation.ended_ms
        );
    }
    ensure!(
        with > 0 && without > 0,
        "{with} events have the field and {without} have not: both versions write"
    );
    Ok((with, without))
}

fn announcements(told: &Told) -> impl Iterator<Item = &Operation> {
    told.operations
        .iter()
        .filter(|operation| operation.kind == Kind::Announce && operation.is_ok())
}

impl Times {
    /// Whether it was the next version that was asked; none while both were at work.
    fn version_of(self, operation: &Operation) -> Option<bool> {
        let is_back = self.all_back.is_some_and(|back| operation.began_ms > back);
        if operation.ended_ms < self.first_next || is_back {
            return Some(false);
        }
        let is_between = operation.began_ms > self.all_next && operation.ended_ms < self.first_back;
        is_between.then_some(true)
    }
}
