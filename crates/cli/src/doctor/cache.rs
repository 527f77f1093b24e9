//! Redis: whether it answers, lets go of what is old when it is full, and has been told of what the views have.

use std::time::Duration;

use depot_read_model::redis_client;
use depot_service::{config::RedisConfig, problem::chain};
use redis::RedisError;
use tokio::time::timeout;

use super::{
    answer::Answer,
    finding::{Finding, Kind, counted},
    installation::Installation,
    operator_database::{OperatorDatabase, unanswered},
};

const LIMIT: Duration = Duration::from_secs(10);

pub async fn look(installation: &Installation) -> Answer {
    let Some(redis) = &installation.redis else {
        return Answer::unseen("its settings cannot be used");
    };
    let info = match timeout(LIMIT, info(redis)).await {
        Ok(Ok(info)) => Ok(info),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_) => Err(format!("not within {} s", LIMIT.as_secs())),
    };
    let mut answer = match &info {
        Ok(info) => of_server(info),
        Err(why) => Answer::away(Finding::warning(
            Kind::RedisAway,
            format!("Redis does not answer: {why}"),
            "start Redis, or set REDIS_ADDR to where it is; until then reads are slower, and not wrong",
        )),
    };
    let patience = installation.rules.patience;
    match of_database(installation.database.as_ref(), info.ok().as_deref(), patience).await {
        Ok(found) => answer.add(found),
        Err(why) => answer.unseen.push(format!("what Redis lacks: {why}")),
    }
    answer
}

async fn info(config: &RedisConfig) -> Result<String, RedisError> {
    let (authorities, identity) = config.tls.read_pem()?;
    let client = redis_client(config.url(), authorities, identity)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("INFO").query_async(&mut connection).await
}

/// A line of what Redis says of itself.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines();
    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

fn of_server(info: &str) -> Answer {
    let mut answer = Answer::default();
    let limit: u64 = field(info, "maxmemory")
        .and_then(|bytes| bytes.parse().ok())
        .unwrap_or_default();
    if limit > 0 && field(info, "maxmemory_policy") == Some("noeviction") {
        answer.warning(
            Kind::RedisNeverEvicts,
            format!("Redis may use {} MiB and lets go of nothing: when it is full it takes no entry more", limit >> 20),
            "set maxmemory-policy allkeys-lru in redis.conf, and `redis-cli CONFIG SET maxmemory-policy allkeys-lru` for now",
        );
    }
    if let Some(version) = field(info, "redis_version") {
        answer.seen.push(format!("Redis {version}"));
    }
    answer
}

/// What the projector keeps in the database about Redis. It looks after it twice a second.
async fn of_database(
    database: Option<&OperatorDatabase>,
    info: Option<&str>,
    patience: Duration,
) -> Result<Answer, String> {
    let database = database.ok_or("the settings of the database cannot be used")?;
    let mut conn = database
        .connect("read")
        .await
        .map_err(|error| error.to_string())?;
    let pending = sqlx::query!(
        r#"SELECT count(*) AS "count!", extract(epoch FROM clock_timestamp() - min(noted_at))::float8 AS seconds
           FROM read.pending_cache WHERE noted_at < clock_timestamp() - make_interval(secs => $1)"#,
        patience.as_secs_f64()
    )
    .fetch_one(&mut conn)
    .await
    .map_err(|error| unanswered(&error))?;
    let mut answer = Answer::default();
    if let Some(seconds) = pending.seconds {
        answer.warning(
            Kind::CachePending,
            format!(
                "not told to Redis: {}, the oldest {seconds:.0} s ago",
                counted(pending.count, "change")
            ),
            "start a projector, and see why it does not reach Redis: depot_projector_cache_up, and its log",
        );
    }
    let noted = sqlx::query_scalar!("SELECT redis_run_id FROM read.cache_generation")
        .fetch_one(&mut conn)
        .await
        .map_err(|error| unanswered(&error))?;
    let actual = info.and_then(|info| field(info, "run_id"));
    if let (Some(noted), Some(actual)) = (noted.as_deref(), actual)
        && noted != actual
    {
        answer.warning(
            Kind::CacheForeign,
            "the Redis that answers is not the one that the cache's generation holds for: entries from before may be read",
            "start a projector, which raises the generation; if one runs, give it and query-api the same REDIS_ADDR",
        );
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_keeps_everything_is_told_of_where_it_has_a_limit() {
        let of = |limit, policy| {
            of_server(&format!(
                "# Memory\r\nmaxmemory:{limit}\r\nmaxmemory_human:x\r\nmaxmemory_policy:{policy}\r\n"
            ))
        };
        assert_eq!(of("1048576", "noeviction").findings.len(), 1);
        assert!(of("1048576", "allkeys-lru").findings.is_empty());
        assert!(of("0", "noeviction").findings.is_empty());
    }
}
