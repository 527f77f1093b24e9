//! Typed reading that collects every fault.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::environment::{AppEnv, Environment};
use super::errors::{ConfigErrors, ConfigFault};

/// Reads settings one by one. A wrong setting yields a placeholder and is remembered, so that
/// [`finish`](Self::finish) can name all of them together; nothing read may be used before `finish` returned `Ok`.
#[derive(Debug)]
pub struct ConfigReader {
    environment: Environment,
    faults: Vec<ConfigFault>,
}

impl ConfigReader {
    /// A reader over a snapshot of the environment.
    #[must_use]
    pub fn new(mut environment: Environment) -> Self {
        let faults = std::mem::take(&mut environment.faults);
        Self { environment, faults }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`ConfigErrors`] naming every fault that was met, if there was one.
    pub fn finish(self) -> Result<(), ConfigErrors> {
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors { faults: self.faults })
        }
    }

    /// Records a fault that a caller found itself.
    pub fn fault(&mut self, variable: &str, problem: impl Into<String>, fix: impl Into<String>) {
        let variable = self
            .environment
            .lookup(variable)
            .map_or(variable.to_owned(), |(found, _)| found);
        self.faults.push(ConfigFault {
            variable,
            problem: problem.into(),
            fix: fix.into(),
        });
    }

    /// `APP_ENV`: `development` (the default), `test` or `production`.
    pub fn app_env(&mut self) -> AppEnv {
        let text = self.text("APP_ENV", "development");
        match text.as_str() {
            "development" => AppEnv::Development,
            "test" => AppEnv::Test,
            "production" => AppEnv::Production,
            _ => {
                // Several groups ask for it; one report is enough.
                if !self.has_fault("APP_ENV") {
                    self.refuse("APP_ENV", &text, "development, test or production");
                }
                AppEnv::Production
            }
        }
    }

    /// Text that may be absent.
    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        self.environment.lookup(name).map(|(_, value)| value.to_owned())
    }

    /// Text with a default.
    pub fn text(&mut self, name: &str, default: &str) -> String {
        self.optional_text(name).unwrap_or_else(|| default.to_owned())
    }

    /// Text that must be set; `example` tells what to set.
    pub fn required_text(&mut self, name: &str, example: &str) -> String {
        self.optional_text(name).unwrap_or_else(|| {
            self.fault(name, "is not set", format!("set it, for example {example}"));
            String::new()
        })
    }

    /// A secret that must be set and have at least `min_bytes` bytes.
    pub fn secret(&mut self, name: &str, min_bytes: usize) -> SecretString {
        match self.optional_text(name) {
            Some(value) if value.len() >= min_bytes => value.into(),
            Some(value) => {
                let problem = format!("has {} bytes", value.len());
                self.fault(
                    name,
                    problem,
                    format!("set a secret of at least {min_bytes} bytes"),
                );
                SecretString::default()
            }
            None => {
                self.fault(
                    name,
                    "is not set",
                    format!("set a secret of at least {min_bytes} bytes"),
                );
                SecretString::default()
            }
        }
    }

    /// A secret that may be absent, and has at least `min_bytes` bytes.
    pub fn optional_secret(&mut self, name: &str, min_bytes: usize) -> Option<SecretString> {
        self.optional_text(name)?;
        Some(self.secret(name, min_bytes))
    }

    /// The path of a file that can be read and has a PEM section; it may be absent.
    pub fn optional_pem_file(&mut self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.optional_text(name)?);
        let problem = match std::fs::read_to_string(&path) {
            Ok(text) if text.contains("-----BEGIN ") => None,
            Ok(_) => Some("is no PEM file".to_owned()),
            Err(error) => Some(format!("cannot be read: {error}")),
        };
        if let Some(problem) = problem {
            self.fault(
                name,
                problem,
                "set the path of a PEM file that this process can read",
            );
        }
        Some(path)
    }

    /// A number within `range`.
    pub fn number<T>(&mut self, name: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let Some(text) = self.optional_text(name) else {
            return default;
        };
        match text.parse() {
            Ok(value) if range.contains(&value) => value,
            _ => {
                self.refuse(
                    name,
                    &text,
                    &format!("a number from {} to {}", range.start(), range.end()),
                );
                default
            }
        }
    }

    /// A TCP port; 0 lets the system choose one.
    pub fn port(&mut self, name: &str, default: u16) -> u16 {
        self.number(name, default, 0..=u16::MAX)
    }

    /// A duration in whole seconds; `name` should end in `_SECONDS`.
    pub fn seconds(&mut self, name: &str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(name, default, range))
    }

    /// A duration in whole milliseconds; `name` should end in `_MS`.
    pub fn millis(&mut self, name: &str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(name, default, range))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, name: &str, default: bool) -> bool {
        let Some(text) = self.optional_text(name) else {
            return default;
        };
        text.parse().unwrap_or_else(|_| {
            self.refuse(name, &text, "true or false");
            default
        })
    }

    /// One of the given words; the first is the default.
    pub fn one_of<'a>(&mut self, name: &str, words: &[&'a str]) -> &'a str {
        let default = words.first().copied().unwrap_or_default();
        let Some(text) = self.optional_text(name) else {
            return default;
        };
        words
            .iter()
            .copied()
            .find(|word| *word == text)
            .unwrap_or_else(|| {
                self.refuse(name, &text, &format!("one of {}", words.join(", ")));
                default
            })
    }

    /// A comma-separated list; blanks around entries and empty entries are dropped.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let text = self.optional_text(name).unwrap_or_default();
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// An http(s) URL without a trailing slash, or `None` when unset. One with a user or a password is refused: nothing
    /// here sends them, and addresses are shown.
    pub fn optional_url(&mut self, name: &str) -> Option<String> {
        let text = self.optional_text(name)?;
        match Url::parse(&text) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                self.fault(
                    name,
                    "has a user or a password in it",
                    "set the URL without them: secrets have settings of their own",
                );
                None
            }
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                Some(text.trim_end_matches('/').to_owned())
            }
            _ => {
                // A URL may carry credentials, so the value is not repeated.
                self.fault(
                    name,
                    "is not an http(s) URL",
                    "set a URL such as http://localhost:8080",
                );
                None
            }
        }
    }

    /// An http(s) URL with a default, without a trailing slash.
    pub fn url(&mut self, name: &str, default: &str) -> String {
        self.optional_url(name).unwrap_or_else(|| default.to_owned())
    }

    /// An http(s) URL that must be set, without a trailing slash.
    pub fn required_url(&mut self, name: &str, example: &str) -> String {
        if self.optional_text(name).is_none() {
            self.fault(name, "is not set", format!("set it, for example {example}"));
            return String::new();
        }
        self.optional_url(name).unwrap_or_default()
    }

    /// Whether a fault of this variable is recorded already.
    pub(super) fn has_fault(&self, name: &str) -> bool {
        let found = self
            .environment
            .lookup(name)
            .map_or(name.to_owned(), |(found, _)| found);
        self.faults.iter().any(|fault| fault.variable == found)
    }

    fn refuse(&mut self, name: &str, value: &str, wanted: &str) {
        let shown: String = value.chars().take(60).collect();
        self.fault(name, format!("`{shown}` cannot be used"), format!("set {wanted}"));
    }
}
