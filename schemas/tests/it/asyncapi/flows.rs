//! Who writes and who reads which topic. A topic is named without prefix and version: `items.dlq` for `depot.items.dlq.v1`.

use depot_schemas::Entity;

/// A service, the topic that it writes, and what.
const SENDS: [(&str, &str, &str); 16] = [
    (
        "command-api",
        "items",
        "What became of items, by the relay of the outbox",
    ),
    (
        "command-api",
        "uploads",
        "What became of uploads, and what the uploader is asked for; by the relay of the outbox",
    ),
    (
        "uploader",
        "files",
        "Facts of the object store, by the relay of its outbox",
    ),
    (
        "uploader",
        "uploads.retry.30s",
        "What could not be done now, and what follows it of its key",
    ),
    ("uploader", "uploads.retry.5m", "What failed again"),
    ("uploader", "uploads.retry.1h", "What failed a third time"),
    ("projector", "items.dlq", "What the views cannot take"),
    ("projector", "uploads.dlq", "What the views cannot take"),
    (
        "uploader",
        "uploads.dlq",
        "What is no event, and what failed after the last retry topic",
    ),
    (
        "command-api",
        "items.dlq",
        "What the saga of an item's deletion cannot take",
    ),
    (
        "command-api",
        "files.dlq",
        "What the saga of an upload cannot take",
    ),
    (
        "command-api",
        "store-notifications.dlq",
        "What is no notification",
    ),
    (
        "command-api",
        "projector.retry",
        "Dead letters of the group, on an operator's word",
    ),
    (
        "command-api",
        "saga.retry",
        "Dead letters of the group, on an operator's word",
    ),
    (
        "command-api",
        "store-notifications.retry",
        "Dead letters of the group, on an operator's word",
    ),
    (
        "command-api",
        "uploads.retry.30s",
        "Dead letters of the uploader, on an operator's word",
    ),
];

/// A service, its consumer group without prefix, the topics that it reads, and what for.
const RECEIVES: [(&str, &str, &[&str], &str); 5] = [
    (
        "projector",
        "projector",
        &["items", "uploads", "projector.retry"],
        "Views in Postgres, notifications in Redis",
    ),
    (
        "uploader",
        "uploader",
        &[
            "uploads",
            "uploads.retry.30s",
            "uploads.retry.5m",
            "uploads.retry.1h",
        ],
        "Verifies and stores what was received, lets go of what has ended",
    ),
    (
        "command-api",
        "saga",
        &["files", "items", "saga.retry"],
        "Ends uploads: attaches, settles quota, compensates",
    ),
    (
        "command-api",
        "store-notifications",
        &["store-notifications", "store-notifications.retry"],
        "Completes uploads whose bytes have arrived",
    ),
    (
        "command-api",
        "dead-letters",
        &["items.dlq", "uploads.dlq", "files.dlq", "store-notifications.dlq"],
        "The index of dead letters, for operators",
    ),
];

/// All of [`SENDS`], and what is sent of declared aggregates.
pub fn sends() -> Vec<(&'static str, String, &'static str)> {
    let own = SENDS.map(|(service, topic, what)| (service, topic.to_owned(), what));
    let declared = Entity::declared().flat_map(|entity| {
        let (events, letters) = (entity.as_str().to_owned(), format!("{}.dlq", entity.as_str()));
        [
            (
                "command-api",
                events,
                "What became of them, by the relay of the outbox",
            ),
            ("projector", letters, "What the views cannot take"),
        ]
    });
    own.into_iter().chain(declared).collect()
}

/// All of [`RECEIVES`], and what is read of declared aggregates.
pub fn receives() -> Vec<(&'static str, &'static str, Vec<String>, &'static str)> {
    let all = RECEIVES.map(|(service, group, topics, what)| {
        let mut topics: Vec<String> = topics.iter().map(|&topic| topic.to_owned()).collect();
        let declared = Entity::declared().map(Entity::as_str);
        match group {
            "projector" => topics.extend(declared.map(str::to_owned)),
            "dead-letters" => topics.extend(declared.map(|plural| format!("{plural}.dlq"))),
            _ => {}
        }
        (service, group, topics, what)
    });
    all.into()
}
