//! How much memory the control group of this process may have: that of a container, or of a unit of systemd.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the system shows its control groups.
const MOUNT: &str = "/sys/fs/cgroup";

/// Version 1 says this, rounded to a page, of a group without a limit.
const NO_LIMIT: u64 = 1 << 62;

/// In bytes; the lowest of the group's own limit and of those above it. None where there is no limit.
pub(super) fn read() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let lowest = lowest(&groups, |file| {
        fs::read_to_string(Path::new(MOUNT).join(file)).ok()
    });
    lowest.map(|limit| limit as f64)
}

/// `groups` is what the system says of a process: a line `id:controllers:path` for each hierarchy. Without controllers it is
/// that of version 2. A path that is not found is one of the host, which a container does not see: the root of what it sees is
/// its own group.
fn lowest(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let files = groups.lines().flat_map(files_of);
    let limits = files.filter_map(|file| limit(&read(&file)?));
    limits.min()
}

/// Where the limits of a group and of those above it are told, below the mount.
fn files_of(line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (root, file) = match parts.next() {
        Some("") => ("", "memory.max"),
        Some(controllers) if controllers.split(',').any(|name| name == "memory") => {
            ("memory", "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    let group = Path::new(parts.next().unwrap_or_default().trim_start_matches('/'));
    let with_those_above = group.ancestors();
    with_those_above
        .map(|group| Path::new(root).join(group).join(file))
        .collect()
}

/// `max`, as version 2 says, is no number.
fn limit(told: &str) -> Option<u64> {
    told.trim().parse().ok().filter(|limit| *limit < NO_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowest_of(groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        lowest(groups, |path| {
            let found = files.iter().find(|(file, _)| Path::new(file) == path);
            found.map(|(_, told)| (*told).to_owned())
        })
    }

    #[test]
    fn the_lowest_limit_on_the_way_up_counts() {
        let files = [
            ("depot.slice/memory.max", "4000\n"),
            ("depot.slice/projector.service/memory.max", "max\n"),
            ("depot.slice/uploader.service/memory.max", "3000\n"),
        ];
        let of = |groups| lowest_of(groups, &files);
        assert_eq!(of("0::/depot.slice/projector.service\n"), Some(4000));
        assert_eq!(of("0::/depot.slice/uploader.service\n"), Some(3000));
        assert_eq!(of("0::/\n"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root_whatever_its_path_is_called() {
        for groups in ["0::/\n", "0::/kubepods.slice/pod7/abc\n"] {
            let found = lowest_of(groups, &[("memory.max", "5000\n")]);
            assert_eq!(found, Some(5000), "{groups}");
        }
    }

    #[test]
    fn the_first_version_has_a_hierarchy_for_memory_and_a_number_for_no_limit() {
        let files = [
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/docker/abc/memory.limit_in_bytes", "6000\n"),
            ("cpu/docker/abc/memory.limit_in_bytes", "1\n"),
        ];
        let of = |groups| lowest_of(groups, &files);
        let limited = "5:cpu:/docker/abc\n4:memory,hugetlb:/docker/abc\n0::/\n";
        assert_eq!(of(limited), Some(6000));
        assert_eq!(of("4:memory:/\n"), None);
    }
}
