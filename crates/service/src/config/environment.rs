//! Where settings come from: the process environment, and `.env` in development.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::errors::ConfigFault;

/// What the process runs as (`APP_ENV`; development when unset).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppEnv {
    /// Readable log lines, `.env` is read, well-known secrets are accepted.
    Development,
    /// As development, without `.env`.
    Test,
    /// JSON log lines; well-known secrets are refused.
    Production,
}

/// A snapshot of the environment, seen by one service.
///
/// A variable with the service's prefix wins over the bare name: `COMMAND_API_PORT` over `PORT`. An empty value
/// counts as unset.
#[derive(Clone)]
pub struct Environment {
    prefix: String,
    variables: BTreeMap<String, String>,
    pub(super) faults: Vec<ConfigFault>,
}

impl Environment {
    /// The process environment, seen by the service with this prefix (`COMMAND_API`, without the underscore).
    ///
    /// `.env` in the working directory is read too when `APP_ENV` is unset or `development`; it never overrides a
    /// variable that is really set. Faults in that file are reported by
    /// [`ConfigReader::finish`](super::ConfigReader::finish).
    #[must_use]
    pub fn for_service(prefix: &str) -> Self {
        let mut environment = Self::from_pairs(
            prefix,
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        );
        if environment
            .app_env_text()
            .is_none_or(|value| value == "development")
        {
            environment.add_file(Path::new(".env"));
        }
        environment
    }

    /// An environment of exactly these variables.
    #[must_use]
    pub fn from_pairs<K, V>(prefix: &str, pairs: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        Self {
            prefix: format!("{prefix}_"),
            variables: pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            faults: Vec::new(),
        }
    }

    /// The value of `name` and the name under which it was found.
    pub(super) fn lookup(&self, name: &str) -> Option<(String, &str)> {
        let prefixed = format!("{}{name}", self.prefix);
        [prefixed, name.to_owned()].into_iter().find_map(|key| {
            let value = self.variables.get(&key)?.trim();
            (!value.is_empty()).then_some((key, value))
        })
    }

    fn app_env_text(&self) -> Option<&str> {
        self.lookup("APP_ENV").map(|(_, value)| value)
    }

    fn add_file(&mut self, path: &Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => return self.file_fault(path, 0, &error.to_string()),
        };
        self.add_text(path, &text);
    }

    fn add_text(&mut self, path: &Path, text: &str) {
        let mut from_file = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            match parse_line(line) {
                Ok(None) => {}
                Ok(Some((name, value))) => {
                    from_file.insert(name.to_owned(), value.to_owned());
                }
                Err(problem) => self.file_fault(path, index + 1, problem),
            }
        }
        for (name, value) in from_file {
            self.variables.entry(name).or_insert(value);
        }
    }

    fn file_fault(&mut self, path: &Path, line: usize, problem: &str) {
        let place = if line == 0 {
            String::new()
        } else {
            format!(" line {line}")
        };
        self.faults.push(ConfigFault {
            variable: format!("{}{place}", path.display()),
            problem: problem.to_owned(),
            fix: "write NAME=value, one a line, or remove the file".to_owned(),
        });
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("prefix", &self.prefix)
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// `NAME=value`, with an optional `export`, quotes, and a comment after ` #`. Nothing is substituted, so that a
/// secret with a dollar sign stays what it is.
fn parse_line(line: &str) -> Result<Option<(&str, &str)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("has no `=`")?;
    let name = name.trim();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err("has a name that is not made of letters, digits and underscores");
    }
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            let end = rest.find(quote).ok_or("has a quote that is not closed")?;
            return Ok(Some((name, &rest[..end])));
        }
    }
    let value = value
        .split_once(" #")
        .map_or(value, |(value, _)| value.trim_end());
    Ok(Some((name, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_prefix_wins_over_the_bare_name() {
        let env = Environment::from_pairs("QUERY_API", [("PORT", "1"), ("QUERY_API_PORT", "2")]);
        assert_eq!(env.lookup("PORT"), Some(("QUERY_API_PORT".to_owned(), "2")));
    }

    #[test]
    fn an_empty_value_counts_as_unset() {
        let env = Environment::from_pairs("QUERY_API", [("PORT", "1"), ("QUERY_API_PORT", " ")]);
        assert_eq!(env.lookup("PORT"), Some(("PORT".to_owned(), "1")));
    }

    #[test]
    fn a_file_never_overrides_a_variable_that_is_set() {
        let mut env = Environment::from_pairs("X", [("A", "real")]);
        env.add_text(Path::new(".env"), "A=file\nB=file\n");
        assert_eq!(env.lookup("A").unwrap().1, "real");
        assert_eq!(env.lookup("B").unwrap().1, "file");
    }

    #[test]
    fn a_file_line_may_be_exported_quoted_and_commented() {
        assert_eq!(parse_line("export A=\"b c\" # d"), Ok(Some(("A", "b c"))));
        assert_eq!(parse_line("A='$x#y'"), Ok(Some(("A", "$x#y"))));
        assert_eq!(parse_line("A=b # c"), Ok(Some(("A", "b"))));
        assert_eq!(parse_line("A=b#c"), Ok(Some(("A", "b#c"))));
        assert_eq!(parse_line("  # A=b"), Ok(None));
        assert_eq!(parse_line("A="), Ok(Some(("A", ""))));
    }

    #[test]
    fn a_broken_file_line_is_a_fault_with_its_number() {
        let mut env = Environment::from_pairs("X", [("A", "1")]);
        env.add_text(Path::new(".env"), "B=1\nnonsense\nC='x\n");
        let places: Vec<_> = env.faults.iter().map(|fault| fault.variable.as_str()).collect();
        assert_eq!(places, [".env line 2", ".env line 3"]);
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let env = Environment::from_pairs("X", [("JWT_SECRET", "hunter2")]);
        let shown = format!("{env:?}");
        assert!(
            shown.contains("JWT_SECRET") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
