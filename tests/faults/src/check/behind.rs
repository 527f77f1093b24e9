//! What the groups have not come to yet.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use anyhow::Result;
use sqlx::{PgPool, Row as _, postgres::PgRow};

use crate::{
    log::{self, Message},
    site::Site,
    topics::{Offsets, groups},
};

/// Messages of a partition that a group has before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    group: &'static str,
    topic: &'static str,
    partition: i32,
    messages: usize,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            topic,
            partition,
            messages,
        } = self;
        write!(
            f,
            "{group} has {messages} messages of {topic} [{partition}] before it"
        )
    }
}

/// Of every group, every topic that it reads; `messages` is all that lies in them.
pub(super) async fn behind(
    site: &Site,
    pool: &PgPool,
    messages: &BTreeMap<String, Vec<Message>>,
) -> Result<Vec<Behind>> {
    let of_views = offsets_of_views(pool).await?;
    let mut all = Vec::new();
    for group in groups() {
        for topic in &group.reads {
            for (partition, committed) in log::committed(&site.direct_brokers(), &group.name, topic).await? {
                let next = match group.offsets {
                    Offsets::Kafka => committed,
                    Offsets::Views => of_views.get(&(topic.clone(), partition)).copied(),
                };
                let before_it = |message: &&Message| {
                    message.partition == partition && message.offset >= next.unwrap_or_default()
                };
                let count = messages
                    .get(topic)
                    .into_iter()
                    .flatten()
                    .filter(before_it)
                    .count();
                if count > 0 {
                    all.push(Behind {
                        group: &group.name,
                        topic,
                        partition,
                        messages: count,
                    });
                }
            }
        }
    }
    Ok(all)
}

/// Of the views that are read from, the next offset of each partition.
async fn offsets_of_views(pool: &PgPool) -> Result<HashMap<(String, i32), i64>> {
    let statement = "SELECT topic, partition, next_offset FROM read.offsets JOIN read.active_projection USING (projection)";
    let rows: Vec<PgRow> = sqlx::query(statement).fetch_all(pool).await?;
    Ok(rows
        .iter()
        .map(|row| ((row.get(0), row.get(1)), row.get(2)))
        .collect())
}
