//! Where services spend their CPU time while something is measured: taken from their admin ports, a piece after the other,
//! and drawn as flame graphs.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use inferno::flamegraph;
use pprof::protos::{Message as _, Profile};

/// Of one piece: what is under way when the measurement ends is not counted.
const PIECE_SECONDS: u64 = 2;
const HERTZ: u32 = 199;
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Set where `--profile` was given, before anything is measured.
static ASKED_FOR: AtomicBool = AtomicBool::new(false);

/// From now on services are profiled while they are watched.
pub fn ask() {
    ASKED_FOR.store(true, Ordering::Relaxed);
}

/// Stacks, outermost function first with `;` between them, and how often each was seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stacks(BTreeMap<String, u64>);

impl Stacks {
    /// As lines that flame graphs are made of, and the graph itself: `<name>.folded`, `<name>.svg`.
    pub fn write(&self, folder: &Path, name: &str) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|(stack, count)| format!("{stack} {count}"))
            .collect();
        fs::write(
            folder.join(name).with_extension("folded"),
            lines.join("\n") + "\n",
        )?;
        let mut options = flamegraph::Options::default();
        name.clone_into(&mut options.title);
        let mut picture = Vec::new();
        flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut picture)?;
        fs::write(folder.join(name).with_extension("svg"), picture)?;
        Ok(())
    }

    fn add(&mut self, profile: &Profile) -> Result<()> {
        for (stack, count) in folded(profile)? {
            *self.0.entry(stack).or_default() += count;
        }
        Ok(())
    }
}

/// Takes profiles of one service until it is told to end.
pub struct Profiling {
    url: String,
    taken: Arc<Mutex<Taken>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Taken {
    stacks: Stacks,
    /// Why the last piece that there is not is missing.
    missing: Option<anyhow::Error>,
}

impl Profiling {
    /// None if nobody asked for it. `admin` is the URL of the service's admin port.
    pub fn start(admin: &str) -> Option<Self> {
        if !ASKED_FOR.load(Ordering::Relaxed) {
            return None;
        }
        let url = format!("{admin}/debug/pprof/profile?seconds={PIECE_SECONDS}&hz={HERTZ}");
        let taken = Arc::new(Mutex::new(Taken::default()));
        let task = tokio::spawn(keep_taking(url.clone(), Arc::clone(&taken)));
        Some(Self { url, taken, task })
    }

    /// What was seen. Says so if it is nothing, and why.
    pub fn end(self) -> Stacks {
        self.task.abort();
        let taken = std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner));
        if taken.stacks.0.is_empty() {
            let why = taken.missing.map_or_else(
                || "the measurement was shorter than a profile".to_owned(),
                |error| format!("{error:#}"),
            );
            eprintln!("no profile of {}: {why}", self.url);
        }
        taken.stacks
    }
}

async fn keep_taking(url: String, taken: Arc<Mutex<Taken>>) {
    loop {
        let piece = take(&url).await;
        let is_missing = {
            let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.missing = piece.and_then(|piece| taken.stacks.add(&piece)).err();
            taken.missing.is_some()
        };
        if is_missing {
            // One that starts has no port yet, and one that ends has none any more.
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

async fn take(url: &str) -> Result<Profile> {
    let answer = reqwest::get(url).await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    Ok(Profile::decode(answer.bytes().await?)?)
}

/// Each sample's stack by the names of its functions; inlined ones have a line each.
fn folded(profile: &Profile) -> Result<Vec<(String, u64)>> {
    let text = |index: i64| -> Result<&str> {
        let text = profile.string_table.get(usize::try_from(index)?);
        text.map(String::as_str).context("a name is missing")
    };
    let mut functions = BTreeMap::new();
    for function in &profile.function {
        functions.insert(function.id, text(function.name)?);
    }
    let mut locations = BTreeMap::new();
    for location in &profile.location {
        let names = location.line.iter().rev();
        let names = names.map(|line| functions.get(&line.function_id).copied().unwrap_or("unknown"));
        locations.insert(location.id, names.collect::<Vec<_>>());
    }
    let mut stacks = Vec::new();
    for sample in &profile.sample {
        let frames = sample.location_id.iter().rev();
        let names = frames.filter_map(|id| locations.get(id)).flatten();
        let stack: Vec<String> = names.map(|name| name.replace([';', ' '], "_")).collect();
        let count = sample.value.first().copied().unwrap_or_default();
        stacks.push((stack.join(";"), u64::try_from(count)?));
    }
    Ok(stacks)
}

#[cfg(test)]
mod tests {
    use pprof::protos::{Function, Line, Location, Sample};

    use super::*;

    fn profile() -> Profile {
        let names = ["", "main", "serve one", "hash"];
        let function = |id: u64, name: i64| Function {
            id,
            name,
            ..Function::default()
        };
        let line = |function_id| Line {
            function_id,
            ..Line::default()
        };
        Profile {
            string_table: names.map(str::to_owned).to_vec(),
            function: vec![function(1, 1), function(2, 2), function(3, 3)],
            location: vec![
                Location {
                    id: 7,
                    line: vec![line(1)],
                    ..Location::default()
                },
                // `hash` was put into `serve one` by the compiler.
                Location {
                    id: 8,
                    line: vec![line(3), line(2)],
                    ..Location::default()
                },
            ],
            sample: vec![Sample {
                location_id: vec![8, 7],
                value: vec![3, 30],
                ..Sample::default()
            }],
            ..Profile::default()
        }
    }

    #[test]
    fn stacks_begin_outermost_and_add_up() {
        let mut stacks = Stacks::default();
        stacks.add(&profile()).unwrap();
        stacks.add(&profile()).unwrap();
        assert_eq!(stacks.0, [("main;serve_one;hash".to_owned(), 6)].into());
    }

    #[test]
    fn a_picture_names_every_function() {
        let folder = std::env::temp_dir().join(depot_test_stack::unique_name());
        let mut stacks = Stacks::default();
        stacks.add(&profile()).unwrap();
        stacks.write(&folder, "row-ours").unwrap();
        let picture = fs::read_to_string(folder.join("row-ours.svg")).unwrap();
        for name in ["row-ours", "main", "serve_one", "hash"] {
            assert!(picture.contains(name), "{name}");
        }
        assert_eq!(
            fs::read_to_string(folder.join("row-ours.folded")).unwrap(),
            "main;serve_one;hash 3\n"
        );
        Stacks::default().write(&folder, "nothing").unwrap();
        assert!(!folder.join("nothing.svg").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
