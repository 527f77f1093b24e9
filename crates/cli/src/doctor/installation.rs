//! Where everything is, from the environment. A group of settings that cannot be used is told of, and what needs it is not
//! looked at.

use std::{collections::BTreeSet, time::Duration};

use depot_migrate::ServiceRole;
use depot_schemas::topics::{PARTITIONS, TopicSpec, Topics};
use depot_service::config::{
    AppEnv, ConfigFault, ConfigReader, DatabaseConfig, DatabaseTls, KafkaConfig, RedisConfig, S3Config,
};
use rdkafka::ClientConfig;
use reqwest::{Client, Url, redirect::Policy};
use secrecy::ExposeSecret as _;

use super::{Arguments, operator_database::OperatorDatabase};
use crate::settings;

const CONNECT: Duration = Duration::from_secs(3);
/// Of a request to an instance, which gives each of its own checks 3 seconds.
const CALL: Duration = Duration::from_secs(5);

/// An installation, and what counts as old or full in it.
pub struct Installation {
    pub http: Client,
    pub services: Option<Services>,
    pub database: Option<OperatorDatabase>,
    pub kafka: Option<Kafka>,
    pub redis: Option<RedisConfig>,
    pub store: Option<Store>,
    pub rules: Rules,
    /// What is wrong with the settings.
    pub faults: Vec<ConfigFault>,
}

/// What is measured by.
pub struct Rules {
    /// From what age something counts as old that is to be done soon.
    pub patience: Duration,
    /// How much of a disk has to be free, in percent.
    pub least_free_percent: u8,
}

/// The instances, and how the APIs are called.
pub struct Services {
    pub app_env: AppEnv,
    /// By the program's name.
    pub admin_urls: Vec<(&'static str, String)>,
    /// The command API, as clients call it.
    pub command_url: String,
    pub issuer: String,
    pub audience: String,
    /// How far clocks may differ before tokens are refused that are good.
    pub leeway: Duration,
    /// Whether the installation is meant to hear of the object store's notifications.
    pub hears_notifications: bool,
}

pub struct Kafka {
    pub config: KafkaConfig,
    pub topics: Topics,
    /// Of which each topic is to have copies.
    pub replication: i32,
}

impl Kafka {
    pub fn specs(&self) -> Vec<TopicSpec> {
        self.topics
            .declared_with(self.config.topic_partitions.unwrap_or(PARTITIONS))
    }

    /// What each client starts from. Nobody who looks makes a topic.
    pub fn client(&self) -> ClientConfig {
        let mut client = settings::kafka_client(&self.config);
        client.set("allow.auto.create.topics", "false");
        client
    }
}

pub struct Store {
    pub config: S3Config,
    pub origins: Vec<String>,
    /// Where the store says how full its disks are.
    pub status_urls: Vec<String>,
}

impl Installation {
    pub fn from_settings(arguments: &Arguments) -> Result<Self, reqwest::Error> {
        let mut faults = Vec::new();
        let services = or_told(&mut faults, services);
        let database = or_told(&mut faults, database);
        let kafka = or_told(&mut faults, kafka);
        let redis = or_told(&mut faults, RedisConfig::read);
        let store = or_told(&mut faults, store);
        // Several groups read APP_ENV.
        let mut told = BTreeSet::new();
        faults.retain(|fault| told.insert((fault.variable.clone(), fault.problem.clone())));
        Ok(Self {
            http: Client::builder()
                .connect_timeout(CONNECT)
                .timeout(CALL)
                .redirect(Policy::none())
                .build()?,
            services,
            database,
            kafka,
            redis,
            store,
            rules: Rules {
                patience: Duration::from_secs(arguments.patience),
                least_free_percent: arguments.least_free_percent,
            },
            faults,
        })
    }
}

/// The group, or none and its faults among the others.
fn or_told<T>(faults: &mut Vec<ConfigFault>, group: impl FnOnce(&mut ConfigReader) -> T) -> Option<T> {
    match settings::read(group) {
        Ok(values) => Some(values),
        Err(errors) => {
            faults.extend(errors.faults);
            None
        }
    }
}

fn services(reader: &mut ConfigReader) -> Services {
    let command = reader.list("COMMAND_API_ADMIN_URLS");
    let query = reader.list("QUERY_API_ADMIN_URLS");
    let projector = reader.list("PROJECTOR_ADMIN_URLS");
    let uploader = reader.list("UPLOADER_ADMIN_URLS");
    let mut admin_urls = Vec::new();
    for (service, variable, urls, port) in [
        ("command-api", "COMMAND_API_ADMIN_URLS", command, 9180),
        ("query-api", "QUERY_API_ADMIN_URLS", query, 9181),
        ("projector", "PROJECTOR_ADMIN_URLS", projector, 9182),
        ("uploader", "UPLOADER_ADMIN_URLS", uploader, 9183),
    ] {
        let urls = if urls.is_empty() {
            vec![format!("http://127.0.0.1:{port}")]
        } else {
            urls
        };
        admin_urls.extend(
            checked(reader, variable, urls)
                .into_iter()
                .map(|url| (service, url)),
        );
    }
    Services {
        app_env: reader.app_env(),
        admin_urls,
        command_url: reader.url("COMMAND_PUBLIC_URL", "http://localhost:8080"),
        issuer: reader.text("JWT_ISSUER", "depot"),
        audience: reader.text("JWT_AUDIENCE", "depot"),
        leeway: reader.seconds("JWT_LEEWAY_SECONDS", 30, 0..=300),
        hears_notifications: reader.boolean("STORE_NOTIFICATIONS_ENABLED", false),
    }
}

/// Addresses without a slash at their end. They are shown, so none may hold a password.
fn checked(reader: &mut ConfigReader, variable: &str, urls: Vec<String>) -> Vec<String> {
    let is_good = |url: &String| {
        Url::parse(url).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
        })
    };
    if !urls.iter().all(is_good) {
        reader.fault(
            variable,
            "has something in it that is no http(s) URL, or one with a user or a password",
            "set addresses such as http://10.0.0.1:9180, several separated by commas",
        );
    }
    urls.into_iter()
        .map(|url| url.trim_end_matches('/').to_owned())
        .collect()
}

fn database(reader: &mut ConfigReader) -> OperatorDatabase {
    let url = DatabaseConfig::read_optional_url(reader, "OPERATOR_DATABASE_URL").unwrap_or_else(|| {
        reader.fault(
            "OPERATOR_DATABASE_URL",
            "is not set",
            "set it, for example postgres://depot_operator:password@localhost:5432/depot",
        );
        String::new().into()
    });
    // Who enters by other names than those that `depot migrate` makes says so to this tool as to the services.
    let service_roles = ServiceRole::ALL.map(|role| {
        let url = reader.optional_text(role.url_variable());
        let user = url.and_then(|url| Some(Url::parse(&url).ok()?.username().to_owned()));
        let user = user.filter(|user| !user.is_empty());
        (role, user.unwrap_or_else(|| role.name().to_owned()))
    });
    OperatorDatabase::new(url.expose_secret(), &DatabaseTls::read(reader), service_roles)
}

fn kafka(reader: &mut ConfigReader) -> Kafka {
    let config = KafkaConfig::read(reader);
    Kafka {
        topics: Topics::new(&config.topic_prefix),
        config,
        replication: reader.number("KAFKA_REPLICATION_FACTOR", 1, 1..=9),
    }
}

fn store(reader: &mut ConfigReader) -> Store {
    let urls = reader.list("OBJECT_STORE_STATUS_URLS");
    Store {
        config: S3Config::read(reader),
        origins: reader.list("CORS_ORIGINS"),
        status_urls: checked(reader, "OBJECT_STORE_STATUS_URLS", urls),
    }
}
