use command_api::store_notifications::arrived;

/// What an object store says of an object that was made: a message of Kafka that no service of ours has written.
pub fn notification(data: &[u8]) {
    match arrived(Some(data), "staging") {
        Ok(uploads) => assert!(uploads.len() <= data.len()),
        Err(poison) => assert!(!poison.to_string().is_empty()),
    }
}
