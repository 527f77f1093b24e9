use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::latencies::Latencies;

/// Work at a constant rate, each piece due at a moment that does not depend on those before: its latency counts from then
/// on, also where all workers were busy. Each worker works on a state of its own, such as a connection.
///
/// # Errors
/// The first piece that fails.
pub async fn paced<S, F, W>(workers: Vec<S>, per_second: f64, lasting: Duration, work: W) -> Result<Latencies>
where
    S: Send + 'static,
    F: Future<Output = Result<S>> + Send + 'static,
    W: Fn(S, u64) -> F + Send + Sync + 'static,
{
    let (work, number) = (Arc::new(work), Arc::new(AtomicU64::new(0)));
    let (all, began) = (Arc::new(Mutex::new(Latencies::default())), Instant::now());
    let mut running = JoinSet::new();
    for mut state in workers {
        let (work, number, all) = (Arc::clone(&work), Arc::clone(&number), Arc::clone(&all));
        running.spawn(async move {
            loop {
                let n = number.fetch_add(1, Ordering::Relaxed);
                let after = Duration::from_secs_f64(n as f64 / per_second);
                if after >= lasting {
                    return anyhow::Ok(());
                }
                let due = began + after;
                tokio::time::sleep_until(due.into()).await;
                state = work(state, n).await?;
                let latency = due.elapsed();
                all.lock().unwrap_or_else(PoisonError::into_inner).push(latency);
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_piece_that_waited_for_a_worker_counts_its_wait() {
        let work = |(): (), _| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(())
        };
        // One worker for three times as much as it can do.
        let lasting = Duration::from_millis(100);
        let mut latencies = paced(vec![()], 150.0, lasting, work).await.unwrap();
        assert_eq!(latencies.count(), 15);
        let [least, most] = latencies.percentiles([1.0, 100.0]);
        assert!(least >= 20.0 && most > 150.0, "{least} {most}");
    }
}
