use anyhow::Result;
use depot_object_store::{Identity, ObjectStore};
use depot_test_stack::{ServiceRole, TestDatabase, TestTopics, settings, unique_name};
use secrecy::SecretString;

/// A database, topics, buckets and a Redis prefix that no other test has.
pub struct Backing {
    pub database: TestDatabase,
    pub topics: TestTopics,
    pub staging: String,
    pub files: String,
    pub redis_prefix: String,
    pub store: ObjectStore,
}

impl Backing {
    pub async fn create() -> Result<Self> {
        let name = unique_name();
        let (staging, files) = (format!("staging-{name}"), format!("files-{name}"));
        let store = admin_store();
        for bucket in [&staging, &files] {
            store.ensure_bucket(bucket).await?;
        }
        Ok(Self {
            database: TestDatabase::create().await?,
            topics: TestTopics::create(3).await?,
            staging,
            files,
            redis_prefix: format!("{name}:"),
            store,
        })
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
        set("TOPIC_PREFIX", self.topics.prefix());
        set("REDIS_KEY_PREFIX", &self.redis_prefix);
        set("S3_BUCKET", &self.files);
        set("S3_STAGING_BUCKET", &self.staging);
        set("LOG_LEVEL", "info");
        pairs
    }
}

fn admin_store() -> ObjectStore {
    let endpoint = settings().get("MINIO_ENDPOINT").to_owned();
    ObjectStore::new(&Identity {
        public_endpoint: endpoint.clone(),
        endpoint,
        region: "us-east-1".to_owned(),
        access_key: settings().get("STACK_MINIO_ACCESS_KEY").to_owned(),
        secret_key: SecretString::from(settings().get("STACK_MINIO_SECRET_KEY")),
    })
}
