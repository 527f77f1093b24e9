use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    admin_client::{AdminClient, AdminError},
    operator,
};

const LOOK: Duration = Duration::from_secs(1);
/// Between two lines.
const TELL: Duration = Duration::from_secs(5);

/// Waits until the run is at its end, and says now and then how far it is, on standard error. A command-api that does not answer
/// for a moment is asked again: another goes on with the run.
pub async fn follow(client: &AdminClient, path: &str, begun: Value) -> Result<Value, AdminError> {
    let (started, first) = (Instant::now(), told(&begun));
    let (mut run, mut said) = (begun, Instant::now());
    let mut silent_since = None;
    while run["stage"] != "done" {
        sleep(LOOK).await;
        match operator::get(client, "look at the republish", path).await {
            Ok(answer) => (run, silent_since) = (answer, None),
            Err(AdminError::Away { .. }) if is_short(&mut silent_since) => continue,
            Err(error) => return Err(error),
        }
        if said.elapsed() >= TELL {
            said = Instant::now();
            let told = (told(&run) - first) as f64;
            let rate = told / started.elapsed().as_secs_f64();
            eprintln!("{}{}", amount(&run), pace(&run, rate));
        }
    }
    Ok(run)
}

fn is_short(since: &mut Option<Instant>) -> bool {
    const PATIENCE: Duration = Duration::from_secs(60);
    since.get_or_insert_with(Instant::now).elapsed() < PATIENCE
}

fn number(run: &Value, name: &str) -> i64 {
    run[name].as_i64().unwrap_or(0)
}

fn told(run: &Value) -> i64 {
    number(run, "items") + number(run, "uploads")
}

/// How much is told, of how much.
pub fn amount(run: &Value) -> String {
    format!(
        "{}: {} of about {} items, {} of about {} uploads, {} lost",
        operator::cell(&run["stage"]),
        number(run, "items"),
        number(run, "items_estimated"),
        number(run, "uploads"),
        number(run, "uploads_estimated"),
        number(run, "lost"),
    )
}

/// How fast, and how long it will take.
fn pace(run: &Value, rate: f64) -> String {
    let all = number(run, "items_estimated") + number(run, "uploads_estimated");
    let left = (all - told(run)).max(0) as f64;
    if rate < 1.0 {
        return String::new();
    }
    format!(", {rate:.0} a second, about {:.0} s left", left / rate)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{amount, pace};

    #[test]
    fn a_line_says_how_far_it_is_and_how_long_it_takes() {
        let run = json!({
            "stage": "items", "items": 400, "items_estimated": 1000, "uploads": 0, "uploads_estimated": 200, "lost": 0,
        });
        assert_eq!(
            format!("{}{}", amount(&run), pace(&run, 100.0)),
            "items: 400 of about 1000 items, 0 of about 200 uploads, 0 lost, 100 a second, about 8 s left"
        );
        assert_eq!(pace(&run, 0.0), "");
    }
}
