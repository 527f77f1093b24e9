//! A control group with a limit, as a container or a unit of systemd has one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use depot_test_stack::unique_name;

const MOUNT: &str = "/sys/fs/cgroup";

/// Gone when it is dropped.
pub struct ControlGroup {
    above: PathBuf,
    own: PathBuf,
    limit: &'static str,
}

impl ControlGroup {
    /// One below the test's own.
    ///
    /// # Errors
    /// Why this system lets the test make none: it is for root, or for whom a part of the hierarchy was handed to.
    pub fn create() -> Result<Self, String> {
        let groups = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let (root, path, limit) = groups
            .lines()
            .find_map(hierarchy)
            .ok_or_else(|| format!("no control groups of memory: {groups:?}"))?;
        let above = root.join(path.trim_start_matches('/'));
        let own = above.join(unique_name());
        fs::create_dir(&own).map_err(|error| format!("{}: {error}", own.display()))?;
        let group = Self { above, own, limit };
        if group.limit().exists() {
            return Ok(group);
        }
        Err(format!(
            "{} is not there: memory is not limited here",
            group.limit().display()
        ))
    }

    /// The file of its limit.
    pub fn limit(&self) -> PathBuf {
        self.own.join(self.limit)
    }

    /// What the process has so far stays with the group that it was in, so that the system does not end it.
    pub fn take(&self, process: u32, limit: u64) {
        fs::write(self.limit(), limit.to_string()).unwrap();
        fs::write(self.own.join("cgroup.procs"), process.to_string()).unwrap();
    }
}

/// The file of version 1 is of a hierarchy of its own; that of version 2 is where the controller was handed down.
fn hierarchy(line: &str) -> Option<(PathBuf, &str, &'static str)> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let (root, limit) = match controllers {
        "" => (PathBuf::from(MOUNT), "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            (Path::new(MOUNT).join("memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    root.join(path.trim_start_matches('/'))
        .join("cgroup.procs")
        .exists()
        .then_some((root, path, limit))
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let members = fs::read_to_string(self.own.join("cgroup.procs")).unwrap_or_default();
        for process in members.lines() {
            drop(fs::write(self.above.join("cgroup.procs"), process));
        }
        drop(fs::remove_dir(&self.own));
    }
}
