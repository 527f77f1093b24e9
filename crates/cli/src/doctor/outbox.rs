//! Both outboxes: whether somebody publishes them, and what waits.

use depot_outbox::{Overview, SHARDS, overview};
use time::OffsetDateTime;

use super::{
    answer::Answer,
    finding::{Kind, counted, listed},
    installation::Installation,
    operator_database::{OperatorDatabase, unanswered},
};

/// Each outbox, with what publishes it.
const OUTBOXES: [(&str, &str); 2] = [
    ("command", "a command-api with RELAY_ENABLED"),
    ("uploader", "an uploader"),
];

pub async fn look(installation: &Installation) -> Answer {
    let Some(database) = &installation.database else {
        return Answer::unseen("the settings of the database cannot be used");
    };
    let mut answer = Answer::default();
    for (schema, publisher) in OUTBOXES {
        match read(database, schema).await {
            Ok(read) => answer.add(judge(schema, publisher, &read, installation)),
            Err(why) => answer.unseen.push(format!("the outbox of {schema}: {why}")),
        }
    }
    answer
}

/// An outbox at a moment of the database's clock.
struct Read {
    overview: Overview,
    now: OffsetDateTime,
    is_foreign: bool,
}

async fn read(database: &OperatorDatabase, schema: &str) -> Result<Read, String> {
    let mut conn = database
        .connect(schema)
        .await
        .map_err(|error| error.to_string())?;
    let origin = sqlx::query!(
        r#"SELECT clock_timestamp() AS "now!", o.system_identifier <> c.system_identifier AS "is_foreign!"
           FROM outbox_origin o, pg_control_system() c"#
    )
    .fetch_one(&mut conn)
    .await
    .map_err(|error| unanswered(&error))?;
    let pool = database.pool(schema).map_err(|error| error.to_string())?;
    let overview = overview(&pool).await.map_err(|error| unanswered(&error));
    pool.close().await;
    Ok(Read {
        overview: overview?,
        now: origin.now,
        is_foreign: origin.is_foreign,
    })
}

fn judge(schema: &str, publisher: &str, read: &Read, installation: &Installation) -> Answer {
    let Read {
        overview,
        now,
        is_foreign,
    } = read;
    let mut answer = Answer::default();
    if *is_foreign {
        answer.fault(
            Kind::OutboxForeign,
            format!("the outbox of {schema} was written in another cluster of Postgres: nothing of it is published"),
            format!("as the owner, while no service runs: SELECT {schema}.outbox_rebase()"),
        );
    }
    let unheld = overview.shards.iter().filter(|shard| !shard.held).count();
    if unheld > 0 {
        answer.fault(
            Kind::ShardsUnheld,
            format!("{unheld} of {SHARDS} shards of the outbox of {schema} are published by nobody"),
            format!("start {publisher}; if one runs, its log says why it takes no shards"),
        );
    }
    let rows: i64 = overview.shards.iter().map(|shard| shard.rows).sum();
    let oldest = overview.shards.iter().filter_map(|shard| shard.oldest_at).min();
    let age = oldest.map(|oldest| (*now - oldest).as_seconds_f64());
    if let Some(age) = age.filter(|age| *age > installation.rules.patience.as_secs_f64()) {
        answer.fault(
            Kind::OutboxOld,
            format!("{} in the outbox of {schema} not published yet, the oldest for {age:.0} s", counted(rows, "event")),
            format!("see that Kafka takes messages, and that {publisher} runs and is ready: part `relay` of its /readyz says why"),
        );
    }
    if !overview.parked.is_empty() {
        let parked: Vec<String> = overview
            .parked
            .iter()
            .map(|parked| format!("{} ({})", parked.aggregate_id, parked.reason))
            .collect();
        answer.fault(
            Kind::AggregateParked,
            format!(
                "Kafka refused events of {}, which wait in the outbox of {schema}",
                listed(&parked)
            ),
            resume(schema),
        );
    }
    answer.seen.push(format!("{schema}: {rows} rows"));
    answer
}

/// The tool resumes what is command-api's only.
fn resume(schema: &str) -> &'static str {
    match schema {
        "command" => "mend what the reason says, then `depot outbox resume AGGREGATE` for each",
        _ => {
            "mend what the reason says, then as the owner: UPDATE uploader.outbox_parked_aggregates SET resume_requested = true"
        }
    }
}
