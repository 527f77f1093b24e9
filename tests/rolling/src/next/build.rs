use std::{ffi::OsString, path::Path, process::Stdio};

use anyhow::{Context, Result, ensure};
use depot_faults::site::{Programs, Service};
use tokio::process::Command;

use super::{Next, write_tree};

/// The test of `depot-schemas` that compares types, committed schemas and decoder.
const CONTRACT: &str = "contract";

impl Next {
    /// Builds it, and has it check its own events by their schemas. `target` is where this version was built: what both stand on
    /// is compiled there already.
    ///
    /// # Errors
    /// A patch does not apply, or what it makes does not compile.
    pub async fn build(self, target: &Path) -> Result<Programs> {
        // One folder for all of them: what differs between two is compiled anew, and no more.
        let tree = target.join("rolling/next");
        write_tree(&tree, self.patches())?;
        // A test among what is selected: the features of dependencies are then those of a build of everything, as this
        // version's was.
        let mut arguments: Vec<&str> = vec!["build", "--workspace", "--test", CONTRACT, "--bin", "depot"];
        arguments.extend(Service::ALL.iter().flat_map(|service| ["--bin", service.name()]));
        let programs = target.join("rolling/programs").join(self.name());
        self.cargo(&tree, target, &programs, &arguments).await?;
        let check = ["test", "--workspace", "--test", CONTRACT];
        self.cargo(&tree, target, &programs, &check).await?;
        Ok(Programs {
            folder: programs.join("debug"),
            sabotage: None,
        })
    }

    async fn cargo(self, tree: &Path, compiled: &Path, programs: &Path, arguments: &[&str]) -> Result<()> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let output = Command::new(cargo)
            .args(arguments)
            .args(["--quiet", "--locked"])
            .current_dir(tree)
            .env("CARGO_BUILD_BUILD_DIR", compiled)
            .env("CARGO_TARGET_DIR", programs)
            .stdin(Stdio::null())
            .output()
            .await
            .context("run cargo")?;
        ensure!(
            output.status.success(),
            "cargo {} of the version `{}` in {}: {}\n{}{}",
            arguments.join(" "),
            self.name(),
            tree.display(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}
