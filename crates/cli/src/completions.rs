//! `depot completions`: what a shell needs to complete the tool's commands and options.

use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

use crate::{help, output};

/// Prints a script by which a shell completes commands and options of this version.
#[derive(Debug, clap::Args)]
#[command(after_help = help::with_examples(help::EXIT_CODES, &[
    "depot completions bash > ~/.local/share/bash-completion/completions/depot",
    "depot completions fish > ~/.config/fish/completions/depot.fish",
]))]
pub struct Arguments {
    /// Which shell.
    shell: Shell,
}

pub fn run(arguments: &Arguments, tool: Command) -> ExitCode {
    output::end(&script(arguments.shell, tool), 0)
}

fn script(shell: Shell, mut tool: Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut tool, "depot", &mut script);
    // What the tool is made of is text.
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, ValueEnum as _};

    use super::*;

    #[test]
    fn every_shell_is_told_every_command() {
        for shell in Shell::value_variants() {
            let tool = crate::Arguments::command();
            let names: Vec<String> = tool
                .get_subcommands()
                .map(|one| one.get_name().to_owned())
                .collect();
            assert!(names.len() > 15, "{names:?}");
            let script = script(*shell, tool);
            for name in names {
                assert!(script.contains(&name), "{shell}: {name} is missing");
            }
        }
    }
}
