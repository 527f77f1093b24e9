//! Who writes and who reads which topic. A topic is named without prefix and version: `items.dlq` for `depot.items.dlq.v1`.

/// A service, the topic that it writes, and what.
pub const SENDS: [(&str, &str, &str); 16] = [
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
pub const RECEIVES: [(&str, &str, &[&str], &str); 5] = [
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
