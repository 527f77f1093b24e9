//! The clocks of all machines, against the database's: leases and deadlines go by that one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use depot_read_model::redis_client;
use depot_service::{config::RedisConfig, problem::chain};
use redis::RedisError;
use reqwest::{Client, header::DATE};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use tokio::time::timeout;

use super::{
    answer::Answer,
    finding::{Finding, Kind},
    installation::Installation,
    instances::Instance,
    operator_database::{OperatorDatabase, unanswered},
};

/// More is not by chance.
const TOLERATED_SECONDS: f64 = 1.0;
const REDIS: Duration = Duration::from_secs(5);

/// By how many seconds a clock is ahead of this machine's, at least and at most: how long the answer took to come, and the
/// fractions that an answer leaves out, cannot be told apart from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lead {
    least: f64,
    most: f64,
}

/// When another clock was asked, by this machine's.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    begun: f64,
}

impl Reading {
    pub fn begin() -> Self {
        Self { begun: now() }
    }

    /// To be called when the answer has come. `seconds` since 1970, told to the last `fraction` of one.
    pub fn of(self, seconds: f64, fraction: f64) -> Lead {
        Lead {
            least: seconds - now(),
            most: seconds + fraction - self.begun,
        }
    }

    /// Of the `Date` in the head of an HTTP answer, for example `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn of_http_date(self, date: &str) -> Option<Lead> {
        let date = OffsetDateTime::parse(date, &Rfc2822).ok()?;
        Some(self.of(date.unix_timestamp() as f64, 1.0))
    }
}

impl Lead {
    const NONE: Self = Self {
        least: 0.0,
        most: 0.0,
    };

    /// How far this clock is from that one, at least: positive ahead, negative behind.
    fn from(self, other: Self) -> f64 {
        let (least, most) = (self.least - other.most, self.most - other.least);
        if least > 0.0 { least } else { most.min(0.0) }
    }
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

pub async fn look(installation: &Installation, instances: &[Instance]) -> Answer {
    let mut answer = Answer::default();
    let (database, redis, store) = tokio::join!(
        of_database(installation.database.as_ref()),
        of_redis(installation.redis.as_ref()),
        of_store(
            &installation.http,
            installation
                .store
                .as_ref()
                .map(|store| store.config.endpoint.as_str())
        ),
    );
    let mut clocks: Vec<(String, Lead)> = Vec::new();
    let (reference, name) = match database {
        Ok(lead) => {
            clocks.push(("this machine".to_owned(), Lead::NONE));
            (lead, "the database's")
        }
        Err(why) => {
            answer.unseen.push(why);
            (Lead::NONE, "this machine's")
        }
    };
    for (who, read) in [("Redis", redis), ("the object store", store)] {
        match read {
            Ok(lead) => clocks.push((who.to_owned(), lead)),
            Err(why) => answer.unseen.push(why),
        }
    }
    clocks.extend(instances.iter().filter_map(|instance| {
        let who = format!("{} at {}", instance.service, instance.url);
        Some((who, instance.clock?))
    }));
    let services = installation.services.as_ref();
    let leeway = services.map_or(f64::INFINITY, |services| services.leeway.as_secs_f64());
    for (who, lead) in &clocks {
        answer
            .findings
            .extend(compared(who, lead.from(reference), name, leeway));
    }
    answer
        .seen
        .push(format!("{} clocks against {name}", clocks.len()));
    answer
}

/// What is wrong with a clock that is so far ahead, or behind where it is negative.
fn compared(who: &str, seconds: f64, reference: &str, leeway: f64) -> Option<Finding> {
    let distance = seconds.abs();
    if distance <= TOLERATED_SECONDS {
        return None;
    }
    let direction = if seconds > 0.0 { "ahead of" } else { "behind" };
    let what = format!("the clock of {who} is at least {distance:.1} s {direction} {reference}");
    let mend =
        "have the clocks of both machines set by NTP, for example by chrony, and see that it is running";
    Some(if distance > leeway {
        let more =
            format!("{what}: by more than JWT_LEEWAY_SECONDS ({leeway:.0}), so that good tokens are refused");
        Finding::fault(Kind::ClockDiffers, more, mend)
    } else {
        Finding::warning(Kind::ClockDiffers, what, mend)
    })
}

async fn of_database(database: Option<&OperatorDatabase>) -> Result<Lead, String> {
    let database = database.ok_or("the database's clock: its settings cannot be used")?;
    let mut conn = database
        .connect("command")
        .await
        .map_err(|error| error.to_string())?;
    let reading = Reading::begin();
    let read = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(&mut conn);
    let read: OffsetDateTime = read.await.map_err(|error| unanswered(&error))?;
    Ok(reading.of(read.unix_timestamp_nanos() as f64 / 1e9, 0.0))
}

async fn of_redis(config: Option<&RedisConfig>) -> Result<Lead, String> {
    let config = config.ok_or("the clock of Redis: its settings cannot be used")?;
    match timeout(REDIS, redis_time(config)).await {
        Ok(read) => read.map_err(|error| format!("the clock of Redis: {}", chain(&error))),
        Err(_) => Err("the clock of Redis: it does not answer".to_owned()),
    }
}

async fn redis_time(config: &RedisConfig) -> Result<Lead, RedisError> {
    let (authorities, identity) = config.tls.read_pem()?;
    let client = redis_client(config.url(), authorities, identity)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let reading = Reading::begin();
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
    Ok(reading.of(seconds as f64 + micros as f64 / 1e6, 0.0))
}

/// Any answer has a date, a refusal too.
async fn of_store(http: &Client, endpoint: Option<&str>) -> Result<Lead, String> {
    let endpoint = endpoint.ok_or("the object store's clock: its settings cannot be used")?;
    let reading = Reading::begin();
    let answer = http.get(endpoint).send().await;
    let answer =
        answer.map_err(|error| format!("the object store's clock: {}", chain(&error.without_url())))?;
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    let lead = date.and_then(|date| reading.of_http_date(date));
    lead.ok_or_else(|| "the object store's clock: its answers have no date".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_to_the_second_and_what_it_leaves_out_counts_for_neither() {
        let reading = Reading { begun: 784_111_777.0 };
        let lead = reading.of_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(lead.most, 1.0);
        assert!(lead.least < 0.0, "this machine is later than 1994: {lead:?}");
        assert!(reading.of_http_date("yesterday").is_none());
    }

    #[test]
    fn a_distance_counts_from_where_it_is_certain() {
        let lead = |least, most| Lead { least, most };
        assert_eq!(lead(2.0, 3.0).from(Lead::NONE), 2.0);
        assert_eq!(lead(-3.0, -2.0).from(Lead::NONE), -2.0);
        assert_eq!(lead(-0.5, 0.7).from(Lead::NONE), 0.0);
        assert_eq!(Lead::NONE.from(lead(4.0, 5.0)), -4.0);
        assert_eq!(lead(4.0, 5.0).from(lead(4.5, 6.0)), 0.0);
    }

    #[test]
    fn more_than_a_second_is_told_and_more_than_the_leeway_is_a_fault() {
        use super::super::finding::Severity;
        let of = |seconds| compared("Redis", seconds, "the database's", 30.0);
        assert_eq!(of(1.0), None);
        let warned = of(-1.5).unwrap();
        assert_eq!(warned.severity, Severity::Warning);
        assert!(
            warned.what.contains("at least 1.5 s behind the database's"),
            "{warned:?}"
        );
        let fault = of(31.0).unwrap();
        assert_eq!(fault.severity, Severity::Fault);
        assert!(
            fault.what.contains("ahead of") && fault.what.contains("JWT_LEEWAY_SECONDS"),
            "{fault:?}"
        );
    }
}
