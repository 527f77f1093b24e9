//! A copy of this repository with the page's steps taken, built beside it.

use std::{
    ffi::OsString,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Stdio,
};

use depot_end_to_end::{Service, built_program};
use tokio::process::Command;

use super::page::Step;

/// The test of `depot-schemas` that compares types, committed schemas and decoder; it writes the schemas too.
const CONTRACT: &str = "contract";
/// What stands behind the workspace's version there. Packages of another version have names of their own among what is
/// compiled, so both trees have one folder for that, and what they stand on is compiled once.
const VERSION_SUFFIX: &str = "-own-aggregate";

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A tree that was built.
pub struct Scratch {
    pub tree: PathBuf,
    /// Where its programs lie.
    pub programs: PathBuf,
}

impl Scratch {
    /// Copies, takes the steps, and builds the programs. The contracts are written anew, and then hold.
    pub async fn build(steps: &[Step]) -> Self {
        let target = target();
        let folder = target.join("own-aggregate");
        let (tree, programs) = (folder.join("tree"), folder.join("programs"));
        copy(&tree).await;
        name_version(&tree);
        for step in steps {
            step.take(&tree);
        }
        // A test among what is selected: the features of dependencies are then those of a build of everything, as this
        // tree's was.
        let mut arguments: Vec<&str> = vec!["build", "--workspace", "--test", CONTRACT, "--bin", "depot"];
        arguments.extend(Service::ALL.iter().flat_map(|service| ["--bin", service.name()]));
        cargo(&tree, &target, &programs, &arguments, &[]).await;
        let contract = ["test", "--workspace", "--test", CONTRACT];
        let write = [("DEPOT_WRITE_CONTRACTS", "1")];
        cargo(&tree, &target, &programs, &contract, &write).await;
        cargo(&tree, &target, &programs, &contract, &[]).await;
        Self {
            tree,
            programs: programs.join("debug"),
        }
    }
}

/// Where this build lies, below which there is a folder for each profile.
fn target() -> PathBuf {
    let program = built_program("depot").unwrap();
    let profile = program.parent().unwrap();
    profile.parent().unwrap().to_owned()
}

/// Copies what belongs to the repository, also what is not committed yet, and nothing that was made. What an earlier run left
/// is gone.
async fn copy(tree: &Path) {
    match fs::remove_dir_all(tree) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{}: {error}", tree.display()),
        _ => {}
    }
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let files = String::from_utf8(listed.stdout).unwrap();
    for file in files.split_terminator('\0') {
        let (from, to) = (root().join(file), tree.join(file));
        // Deleted, and not committed yet.
        if !from.is_file() {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&from, &to).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

/// Of the workspace's packages: those that the lock has no source of.
fn name_version(tree: &Path) {
    let (manifest, lock) = (tree.join("Cargo.toml"), tree.join("Cargo.lock"));
    let text = fs::read_to_string(&manifest).unwrap();
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .expect("Cargo.toml has a version of the workspace");
    let (old, new) = (
        format!("\nversion = \"{version}\""),
        format!("\nversion = \"{version}{VERSION_SUFFIX}\""),
    );
    fs::write(&manifest, text.replacen(&old, &new, 1)).unwrap();
    let packages = fs::read_to_string(&lock).unwrap();
    let named = packages
        .split("\n\n")
        .map(|package| match package.contains("\nsource = ") {
            true => package.to_owned(),
            false => package.replacen(&old, &new, 1),
        });
    fs::write(&lock, named.collect::<Vec<_>>().join("\n\n")).unwrap();
}

async fn cargo(tree: &Path, compiled: &Path, programs: &Path, arguments: &[&str], more: &[(&str, &str)]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--quiet", "--locked"])
        .current_dir(tree)
        .env("CARGO_BUILD_BUILD_DIR", compiled)
        .env("CARGO_TARGET_DIR", programs)
        .env_remove("DEPOT_WRITE_CONTRACTS")
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "cargo {} in {}: {}\n{}{}",
        arguments.join(" "),
        tree.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
