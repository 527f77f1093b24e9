use std::{collections::HashMap, fs, path::PathBuf, sync::LazyLock};

/// Where the services are and how they are entered.
#[derive(Debug)]
pub struct Settings(HashMap<String, String>);

/// The settings of this test run, read once.
pub fn settings() -> &'static Settings {
    static SETTINGS: LazyLock<Settings> = LazyLock::new(Settings::read);
    &SETTINGS
}

/// The top of the workspace.
pub(crate) fn workspace_root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Settings {
    fn read() -> Self {
        let mut values = HashMap::new();
        for file in [".env.example", ".env"] {
            let text = fs::read_to_string(workspace_root().join(file)).unwrap_or_default();
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
            let pairs = lines.filter_map(|line| line.split_once('='));
            values.extend(
                pairs.map(|(name, value)| (name.trim().to_owned(), unquoted(value.trim()).to_owned())),
            );
        }
        values.extend(std::env::vars());
        Self(values)
    }

    /// The value of an environment variable.
    ///
    /// # Panics
    /// It is set neither in the environment nor in `.env` or `.env.example`.
    pub fn get(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(value) => value,
            None => {
                panic!("{name} is not set: see .env.example, and start the services by `make services-up`")
            }
        }
    }

    /// All of it, for the environment of a service that is started as a process.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn kafka_brokers(&self) -> &str {
        self.get("KAFKA_BROKERS")
    }

    pub fn redis_addr(&self) -> &str {
        self.get("REDIS_ADDR")
    }
}

fn unquoted(value: &str) -> &str {
    let inner = |quote| {
        value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
    };
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}
