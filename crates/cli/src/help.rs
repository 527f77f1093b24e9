//! The end of each command's help: its exit codes, and examples that can be typed as they stand.

/// Of a command that is done or not.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  not done: the message says why
  2  wrong usage";

/// `text` with examples under it, a line each.
pub fn with_examples(text: &str, examples: &[&str]) -> String {
    let heading = if examples.len() == 1 {
        "Example"
    } else {
        "Examples"
    };
    let examples: String = examples.iter().map(|example| format!("\n  {example}")).collect();
    format!("{text}\n\n{heading}:{examples}")
}
