//! What processes use, from /proc.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{measurement::Use, profiles::Profiling};

/// Of every Linux: `CONFIG_HZ` changes the kernel's own clock, not this one.
const TICKS_A_SECOND: f64 = 100.0;
const PAGE_BYTES: u64 = 4096;
const SAMPLE_EVERY: Duration = Duration::from_millis(200);

/// A process, or one with the time of all its children. Memory is that of the process alone: pages that a tree shares would be
/// counted once for each of its processes.
#[derive(Debug, Clone)]
pub struct Watched {
    pub name: String,
    pub id: u32,
    pub with_children: bool,
    /// The URL of the admin port of one that can be profiled.
    pub admin: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    ticks: u64,
    rss_bytes: u64,
}

/// Looks at processes from its making to [`Watch::end`].
pub struct Watch {
    watched: Vec<Watched>,
    before: Vec<Sample>,
    peaks: Arc<Mutex<Vec<u64>>>,
    sampler: tokio::task::JoinHandle<()>,
    profiling: Vec<Option<Profiling>>,
}

impl Watch {
    pub fn start(watched: Vec<Watched>) -> Result<Self> {
        let before = watched.iter().map(sample).collect::<Result<Vec<_>>>()?;
        let peaks = Arc::new(Mutex::new(vec![0; watched.len()]));
        let sampler = tokio::spawn(keep_peaks(watched.clone(), Arc::clone(&peaks)));
        let profiling = watched
            .iter()
            .map(|watched| Profiling::start(watched.admin.as_ref()?));
        let profiling = profiling.collect();
        Ok(Self {
            watched,
            before,
            peaks,
            sampler,
            profiling,
        })
    }

    /// What each used since.
    ///
    /// # Errors
    /// One of them has ended.
    pub fn end(self) -> Result<BTreeMap<String, Use>> {
        self.sampler.abort();
        let peaks = self.peaks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut uses = BTreeMap::new();
        let seen = self.before.iter().zip(peaks.iter()).zip(self.profiling);
        for (watched, ((before, peak), profiling)) in self.watched.iter().zip(seen) {
            let now = sample(watched)?;
            let used = Use {
                cpu_seconds: now.ticks.saturating_sub(before.ticks) as f64 / TICKS_A_SECOND,
                rss_before_bytes: before.rss_bytes,
                rss_bytes: now.rss_bytes,
                rss_peak_bytes: now.rss_bytes.max(*peak).max(before.rss_bytes),
                stacks: profiling.map(Profiling::end),
            };
            uses.insert(watched.name.clone(), used);
        }
        Ok(uses)
    }
}

async fn keep_peaks(watched: Vec<Watched>, peaks: Arc<Mutex<Vec<u64>>>) {
    loop {
        for (place, watched) in watched.iter().enumerate() {
            // One that has ended is found out at the end.
            if let Ok(sample) = sample(watched) {
                let mut peaks = peaks.lock().unwrap_or_else(PoisonError::into_inner);
                peaks[place] = peaks[place].max(sample.rss_bytes);
            }
        }
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
}

fn sample(watched: &Watched) -> Result<Sample> {
    let own = of_process(watched.id).with_context(|| format!("{} has ended", watched.name))?;
    if !watched.with_children {
        return Ok(Sample {
            ticks: own.own_ticks + own.ended_children_ticks,
            rss_bytes: own.rss_bytes,
        });
    }
    let mut children: HashMap<u32, Vec<Process>> = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let id = entry.file_name().to_string_lossy().parse();
        if let Some(process) = id.ok().and_then(|id| of_process(id).ok()) {
            children.entry(process.parent).or_default().push(process);
        }
    }
    let rss_bytes = own.rss_bytes;
    let (mut ticks, mut waiting) = (0, vec![own]);
    while let Some(process) = waiting.pop() {
        ticks += process.own_ticks + process.ended_children_ticks;
        waiting.extend(children.remove(&process.id).into_iter().flatten());
    }
    Ok(Sample { ticks, rss_bytes })
}

struct Process {
    id: u32,
    parent: u32,
    own_ticks: u64,
    /// Of children that have ended and were waited for.
    ended_children_ticks: u64,
    rss_bytes: u64,
}

fn of_process(id: u32) -> Result<Process> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in parentheses may hold anything; proc(5) counts fields from behind it, beginning with the state, 3.
    let (_, rest) = stat.rsplit_once(')').context("no name in stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| -> Result<u64> {
        let text = fields.get(number - 3).context("a field is missing in stat")?;
        Ok(text.parse()?)
    };
    Ok(Process {
        id,
        parent: field(4)? as u32,
        own_ticks: field(14)? + field(15)?,
        ended_children_ticks: field(16)? + field(17)?,
        rss_bytes: field(24)? * PAGE_BYTES,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_process_has_memory_and_uses_time() {
        let own = Watched {
            name: "own".into(),
            id: std::process::id(),
            with_children: false,
            admin: None,
        };
        let watch = Watch::start(vec![own]).unwrap();
        let begin = std::time::Instant::now();
        let mut sum = 0_u64;
        while begin.elapsed() < Duration::from_millis(100) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let uses = watch.end().unwrap();
        assert!(uses["own"].cpu_seconds > 0.0);
        assert!(uses["own"].rss_peak_bytes >= uses["own"].rss_bytes.min(uses["own"].rss_before_bytes));
        assert!(uses["own"].rss_bytes > 0);
    }
}
