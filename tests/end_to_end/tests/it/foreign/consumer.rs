//! A consumer that is not Depot's, as a process, and what it keeps.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
};

use depot_end_to_end::{Depot, Folder};
use depot_test_stack::eventually;
use serde_json::Value;
use tokio::process::{Child, Command};

use super::folder;

#[derive(Debug, Clone, Copy)]
pub enum Language {
    /// Keeps items and offsets in SQLite.
    Python,
    /// Keeps them in one file, replaced as a whole.
    Java,
}

/// An item as a consumer keeps it, or as the views have it.
#[derive(Debug, PartialEq, Eq)]
pub struct Item {
    pub epoch: i64,
    pub version: i64,
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    pub status: String,
    pub files: usize,
    pub deleted: bool,
}

/// What a consumer has.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    pub items: BTreeMap<String, Item>,
    /// How many changes it has heard, by item.
    pub changes: BTreeMap<String, i64>,
    /// Why it has not taken what it could not, sorted.
    pub set_aside: Vec<String>,
}

impl Kept {
    fn of(store: &Value) -> Self {
        let kept = store["items"].as_object().expect("a store has items");
        let integer = |value: &Value| value.as_i64().expect("a number");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let item = |kept: &Value| {
            let item = &kept["item"];
            Item {
                epoch: integer(&kept["epoch"]),
                version: integer(&kept["version"]),
                name: text(&item["name"]),
                description: text(&item["description"]),
                tags: list(&item["tags"]).iter().map(text).collect(),
                status: text(&item["status"]),
                files: list(&item["files"]).len(),
                deleted: item["deleted"].as_bool().expect("true or false"),
            }
        };
        // One has the reasons alone, the other the whole messages.
        let reason = |aside: &Value| aside.get("reason").map_or_else(|| text(aside), text);
        let mut set_aside: Vec<_> = list(&store["set_aside"]).iter().map(reason).collect();
        set_aside.sort_unstable();
        Self {
            items: kept.iter().map(|(id, kept)| (id.clone(), item(kept))).collect(),
            changes: kept
                .iter()
                .map(|(id, kept)| (id.clone(), integer(&kept["changes"])))
                .collect(),
            set_aside,
        }
    }

    pub fn heard(&self) -> i64 {
        self.changes.values().sum()
    }
}

/// Where a consumer keeps what it has, and how it is told to.
struct Store {
    language: Language,
    folder: Folder,
    environment: Vec<(String, String)>,
}

impl Store {
    fn path(&self) -> PathBuf {
        match self.language {
            Language::Python => self.folder.0.join("items.sqlite"),
            Language::Java => self.folder.0.join("items"),
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.0.join("log")
    }

    fn command(&self, verb: &str) -> Command {
        let (consumer, arguments): (_, &[&str]) = match self.language {
            Language::Python => ("python-consumer", &[verb]),
            Language::Java => ("java-consumer", &[]),
        };
        let mut command = Command::new(folder(consumer).join("run.sh"));
        command
            .args(arguments)
            .arg(self.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    fn start(&self) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        self.command("follow")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// None while there is nothing yet.
    async fn read(&self) -> Option<Kept> {
        let bytes = match self.language {
            Language::Python => {
                let shown = self.command("show").output().await.unwrap();
                shown.status.success().then_some(shown.stdout)?
            }
            Language::Java => fs::read(self.path().join("state.json")).ok()?,
        };
        Some(Kept::of(
            &serde_json::from_slice(&bytes).expect("the store is whole"),
        ))
    }
}

/// A consumer with a store of its own; it ends with the value.
pub struct Consumer {
    store: Store,
    process: Child,
}

impl Consumer {
    /// With an empty store.
    pub fn start(language: Language, depot: &Depot) -> Self {
        let store = Store {
            language,
            folder: Folder::new().unwrap(),
            environment: depot.environment(),
        };
        let process = store.start();
        Self { store, process }
    }

    /// SIGKILL, and the end of the process awaited; answers what it leaves behind.
    pub async fn kill(&mut self) -> Kept {
        self.process.kill().await.unwrap();
        self.store.read().await.unwrap()
    }

    /// On the store that it had.
    pub fn restart(&mut self) {
        self.process = self.store.start();
    }

    /// Waits until what it has is as asked for.
    ///
    /// # Panics
    /// If the process ends instead.
    pub async fn wait_until(&mut self, what: &str, holds: impl Fn(&Kept) -> bool) -> Kept {
        let Self { store, process } = self;
        let (store, holds) = (&*store, &holds);
        eventually(what, || {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "{what}: {ended:?}\n{}", told(&store.log()));
            async move { store.read().await.filter(|kept| holds(kept)) }
        })
        .await
    }
}

fn told(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}
