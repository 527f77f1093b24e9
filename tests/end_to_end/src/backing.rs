use std::collections::BTreeSet;

use anyhow::Result;
use depot_object_store::{Identity, ObjectStore};
use depot_test_stack::{OperatorRole, ServiceRole, TestDatabase, TestTopics, settings, unique_name};
use secrecy::SecretString;

/// Of the topics, unless it is said: few, since a test broker holds the topics of many tests.
const PARTITIONS: i32 = 3;

/// A database, topics, buckets and a Redis prefix that no other test has.
pub struct Backing {
    pub database: TestDatabase,
    pub topics: TestTopics,
    brokers: String,
    pub staging: String,
    pub files: String,
    pub redis_prefix: String,
    pub store: ObjectStore,
    store_endpoint: String,
}

impl Backing {
    pub async fn create() -> Result<Self> {
        Self::create_of(PARTITIONS).await
    }

    /// As `create`, with so many partitions of each topic.
    pub async fn create_of(partitions: i32) -> Result<Self> {
        let store = settings().get("MINIO_ENDPOINT");
        Self::create_at(store, settings().kafka_brokers(), partitions).await
    }

    /// As `create`, with the buckets in the object store at `store_endpoint`.
    pub async fn create_on(store_endpoint: &str) -> Result<Self> {
        Self::create_at(store_endpoint, settings().kafka_brokers(), PARTITIONS).await
    }

    /// As `create`, with the topics on brokers of the test's own.
    pub async fn create_on_brokers(brokers: &str) -> Result<Self> {
        Self::create_at(settings().get("MINIO_ENDPOINT"), brokers, PARTITIONS).await
    }

    async fn create_at(store_endpoint: &str, brokers: &str, partitions: i32) -> Result<Self> {
        let name = unique_name();
        let (staging, files) = (format!("staging-{name}"), format!("files-{name}"));
        let store = admin_store(store_endpoint);
        for bucket in [&staging, &files] {
            store.ensure_bucket(bucket).await?;
        }
        Ok(Self {
            database: TestDatabase::create().await?,
            topics: TestTopics::create_on(brokers, partitions).await?,
            brokers: brokers.to_owned(),
            staging,
            files,
            redis_prefix: format!("{name}:"),
            store,
            store_endpoint: store_endpoint.to_owned(),
        })
    }

    /// Every key in a bucket.
    pub async fn keys(&self, bucket: &str) -> Result<BTreeSet<String>> {
        let (mut keys, mut after) = (BTreeSet::new(), None);
        loop {
            let page = self.store.list(bucket, after).await?;
            keys.extend(page.objects.into_iter().map(|object| object.key));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(keys),
            }
        }
    }

    /// What a service is given: the settings of the machine, then what is this test's own. The services of a test
    /// use the administrator's keys, since the buckets' names are not those that the three identities are made for.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = settings()
            .all()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut set = |name: &str, value: &str| pairs.push((name.to_owned(), value.to_owned()));
        for role in [
            ServiceRole::Command,
            ServiceRole::Uploader,
            ServiceRole::Projector,
            ServiceRole::Query,
        ] {
            set(role.url_variable(), &self.database.url(role));
        }
        set(OperatorRole::URL_VARIABLE, &self.database.operator_url());
        for service in ["COMMAND_API", "QUERY_API", "UPLOADER"] {
            set(
                &format!("{service}_MINIO_ACCESS_KEY"),
                settings().get("STACK_MINIO_ACCESS_KEY"),
            );
            set(
                &format!("{service}_MINIO_SECRET_KEY"),
                settings().get("STACK_MINIO_SECRET_KEY"),
            );
        }
        set("MINIO_ENDPOINT", &self.store_endpoint);
        set("MINIO_PUBLIC_ENDPOINT", &self.store_endpoint);
        set("KAFKA_BROKERS", &self.brokers);
        set("TOPIC_PREFIX", self.topics.prefix());
        set("TOPIC_PARTITIONS", self.topics.partitions());
        set("REDIS_KEY_PREFIX", &self.redis_prefix);
        set("S3_BUCKET", &self.files);
        set("S3_STAGING_BUCKET", &self.staging);
        set("LOG_LEVEL", "info");
        pairs
    }
}

fn admin_store(endpoint: &str) -> ObjectStore {
    ObjectStore::new(&Identity {
        public_endpoint: endpoint.to_owned(),
        endpoint: endpoint.to_owned(),
        region: "us-east-1".to_owned(),
        access_key: settings().get("STACK_MINIO_ACCESS_KEY").to_owned(),
        secret_key: SecretString::from(settings().get("STACK_MINIO_SECRET_KEY")),
    })
}
