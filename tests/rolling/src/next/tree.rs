use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// What is made, is not part of the tree.
const MADE: [&str; 6] = ["target", ".git", ".stack", ".env", "results", "__pycache__"];
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn patch_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{name}.patch"))
}

/// Makes this tree with those patches in `folder`. A file that is as it should be is not touched, so that it is not compiled
/// again.
///
/// The workspace's version gets the folder's name behind it. Packages of another version have names of their own among what is
/// compiled; so several trees have one folder for that, what they all stand on is compiled once, and none is taken for another.
///
/// # Errors
/// A patch does not apply, or a file cannot be read or written.
pub fn write_tree(folder: &Path, patches: &[&str]) -> Result<()> {
    let staged = folder.with_extension("staged");
    let name = folder.file_name().and_then(OsStr::to_str);
    let name = name.with_context(|| format!("{} has no name", folder.display()))?;
    remove(&staged)?;
    copy_all(&root(), &staged).context("copy the tree")?;
    name_version(&staged, name)?;
    for name in patches {
        apply(&staged, name)?;
    }
    let written = files(&staged)?;
    for file in &written {
        let (from, to) = (staged.join(file), folder.join(file));
        if fs::read(&to).ok() != Some(fs::read(&from)?) {
            make_folder_of(&to)?;
            fs::copy(&from, &to).with_context(|| format!("write {}", to.display()))?;
        }
    }
    if folder.is_dir() {
        for file in files(folder)?.difference(&written) {
            fs::remove_file(folder.join(file))?;
        }
    }
    remove(&staged)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn make_folder_of(file: &Path) -> Result<()> {
    let folder = file.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    for file in files(from)? {
        let copy = to.join(&file);
        make_folder_of(&copy)?;
        fs::copy(from.join(&file), copy)?;
    }
    Ok(())
}

/// All files of the tree, by their paths in it.
fn files(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut all = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(root.join(&folder));
        for entry in entries.with_context(|| format!("read {}", root.join(&folder).display()))? {
            let entry = entry?;
            if entry
                .file_name()
                .to_str()
                .is_some_and(|name| MADE.contains(&name))
            {
                continue;
            }
            let path = folder.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true => folders.push(path),
                false => _ = all.insert(path),
            }
        }
    }
    Ok(all)
}

/// Of the workspace's packages: those that the lock has no source of.
fn name_version(tree: &Path, name: &str) -> Result<()> {
    let (manifest, lock) = (tree.join("Cargo.toml"), tree.join("Cargo.lock"));
    let text = fs::read_to_string(&manifest)?;
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .context("Cargo.toml has no version of the workspace")?;
    let (old, new) = (
        format!("\nversion = \"{version}\""),
        format!("\nversion = \"{version}-{name}\""),
    );
    fs::write(&manifest, text.replacen(&old, &new, 1))?;
    let packages = fs::read_to_string(&lock)?;
    let named = packages
        .split("\n\n")
        .map(|package| match package.contains("\nsource = ") {
            true => package.to_owned(),
            false => package.replacen(&old, &new, 1),
        });
    Ok(fs::write(&lock, named.collect::<Vec<_>>().join("\n\n"))?)
}

fn apply(tree: &Path, name: &str) -> Result<()> {
    let patch = patch_file(name);
    let above = tree.parent().context("a tree lies in a folder")?;
    let output = Command::new("git")
        .args(["apply", "--whitespace=nowarn"])
        .arg(&patch)
        .current_dir(tree)
        // In a repository it would apply what lies in this folder of that one, and so nothing.
        .env("GIT_CEILING_DIRECTORIES", above.canonicalize()?)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .output()
        .context("run git")?;
    ensure!(
        output.status.success(),
        "{} does not apply to this tree any more: `deploy/native/next-version.sh edit {name}` makes a copy to mend it in, \
         `deploy/native/next-version.sh take {name}` writes it anew\n{}",
        patch.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::next::Next;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("depot-rolling-{name}-{}", std::process::id()));
        remove(&folder).unwrap();
        folder
    }

    fn read(folder: &Path, file: &str) -> String {
        fs::read_to_string(folder.join(file)).unwrap()
    }

    #[test]
    fn every_next_version_can_be_made_of_this_tree() {
        let folder = folder("made");
        for next in Next::ALL {
            write_tree(&folder, next.patches()).unwrap_or_else(|error| panic!("{error:#}"));
        }
        let view = read(&folder, "crates/read-model/src/upload.rs");
        assert!(
            view.contains("updated_by"),
            "a patch that applies has changed something"
        );
        let (theirs, ours) = (read(&folder, "Cargo.lock"), read(&root(), "Cargo.lock"));
        let packages = ours.split("\n\n").filter(|text| text.starts_with("[[package]]"));
        let own = packages
            .filter(|package| !package.contains("\nsource = "))
            .count();
        let suffix = format!("-{}", folder.file_name().unwrap().display());
        assert_eq!(
            theirs.matches(&suffix).count(),
            own,
            "every package of the workspace"
        );
        assert_eq!(theirs.replace(&suffix, ""), ours, "and nothing else is another");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_as_it_should_be_is_not_written_again() {
        let folder = folder("again");
        write_tree(&folder, &["next"]).unwrap();
        let written = |file: &str| fs::metadata(folder.join(file)).unwrap().modified().unwrap();
        let (same, other) = ("query-api/src/main.rs", "command-api/src/store/uploads.rs");
        let before = (written(same), written(other));
        fs::write(folder.join("left-behind"), "of a version before").unwrap();
        write_tree(&folder, &["next", "contract-first"]).unwrap();
        assert_eq!(written(same), before.0);
        assert_ne!(written(other), before.1);
        assert!(!folder.join("left-behind").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_patch_that_does_not_apply_says_what_to_do() {
        let folder = folder("drifted");
        // What the second changes, the first has to have made; and it cannot be made twice.
        let error = write_tree(&folder, &["next", "next"]).unwrap_err().to_string();
        assert!(error.contains("next-version.sh edit next"), "{error}");
        remove(&folder).unwrap();
        remove(&folder.with_extension("staged")).unwrap();
    }
}
