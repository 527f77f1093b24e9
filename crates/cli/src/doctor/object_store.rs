//! The object store: whether it answers, has both buckets with their rules, and room.

mod disk;

use depot_object_store::{Identity, ObjectStore, StoreError};
use depot_service::problem::chain;

use super::{
    answer::Answer,
    finding::{Finding, Kind, listed},
    installation::{Installation, Store},
};

pub async fn look(installation: &Installation) -> Answer {
    let Some(store) = &installation.store else {
        return Answer::unseen("its settings cannot be used");
    };
    let (mut answer, room) = tokio::join!(
        buckets(store),
        disk::look(
            &installation.http,
            &store.status_urls,
            installation.rules.least_free_percent
        ),
    );
    answer.add(room);
    answer
}

async fn buckets(store: &Store) -> Answer {
    let config = &store.config;
    let identity = Identity {
        endpoint: config.endpoint.clone(),
        public_endpoint: config.public_endpoint.clone(),
        region: config.region.clone(),
        access_key: config.access_key.clone(),
        secret_key: config.secret_key.clone(),
    };
    let client = match ObjectStore::trusting(&identity, config.authorities.as_deref()) {
        Ok(client) => client,
        Err(error) => return Answer::unseen(chain(&error)),
    };
    let mut answer = Answer::default();
    for bucket in [&config.staging_bucket, &config.bucket] {
        match of_bucket(&client, bucket, &store.origins).await {
            Ok(found) => answer.add(found),
            Err(error) => {
                answer.add(Answer::away(not_seen(&error, &config.endpoint)));
                // The other one would be told of in the same words.
                break;
            }
        }
    }
    answer
}

fn not_seen(error: &StoreError, endpoint: &str) -> Finding {
    let why = chain(error);
    match error {
        StoreError::Refused { .. } => Finding::fault(
            Kind::StoreRefuses,
            format!("the object store at {endpoint} does not let this tool look: {why}"),
            "set DEPOT_MINIO_ACCESS_KEY and DEPOT_MINIO_SECRET_KEY to the identity that makes the buckets",
        ),
        _ => Finding::fault(
            Kind::StoreAway,
            format!("the object store does not answer at {endpoint}: {why}"),
            "start it, or set MINIO_ENDPOINT to where it is",
        ),
    }
}

async fn of_bucket(client: &ObjectStore, bucket: &str, origins: &[String]) -> Result<Answer, StoreError> {
    let mut answer = Answer::default();
    if !client.has_bucket(bucket).await? {
        answer.fault(
            Kind::BucketMissing,
            format!("there is no bucket {bucket}"),
            "run `depot buckets`; if it was there, what lay in it has to come from a backup",
        );
        return Ok(answer);
    }
    if let Some(actual) = client.cors_origins(bucket).await? {
        let (actual, wanted) = (sorted(&actual), sorted(origins));
        if actual != wanted {
            answer.warning(
                Kind::CorsDiffers,
                format!(
                    "pages of {} may use the bucket {bucket}, and CORS_ORIGINS names {}",
                    or_none(&actual),
                    or_none(&wanted)
                ),
                "run `depot buckets` with the CORS_ORIGINS of the services, or set CORS_ORIGINS here as they have it; \
                 with none it leaves the rule that is there, which is deleted by the store's own means",
            );
        }
    }
    if client.drops_unfinished_multiparts(bucket).await? == Some(false) {
        answer.warning(
            Kind::MultipartsKept,
            format!("no rule of the bucket {bucket} drops the parts of uploads that nobody ended"),
            "run `depot buckets`, which sets one",
        );
    }
    answer.seen.push(bucket.to_owned());
    Ok(answer)
}

fn sorted(origins: &[String]) -> Vec<String> {
    let mut sorted = origins.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

fn or_none(origins: &[String]) -> String {
    match origins {
        [] => "no origin".to_owned(),
        origins => listed(origins),
    }
}
