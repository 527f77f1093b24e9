use depot_schemas::{Entity, EventType, decode};

/// A message of Kafka. Its bytes are written as those of HTTP are: the topic's entity in the first line, then `key: …` and
/// headers in a line each, an empty line, and the value. What is read says of itself what the message said.
pub fn event(data: &[u8]) {
    let at = data.windows(2).position(|two| two == b"\n\n");
    let (head, value) = match at {
        Some(at) => (&data[..at], Some(&data[at + 2..])),
        None => (data, None),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let entity = match lines.next() {
        Some(b"uploads") => Entity::Uploads,
        Some(b"files") => Entity::Files,
        _ => Entity::Items,
    };
    let headers: Vec<(&[u8], &[u8])> = lines
        .filter_map(|line| {
            let colon = line.windows(2).position(|two| two == b": ")?;
            Some((&line[..colon], &line[colon + 2..]))
        })
        .collect();
    let header = |name: &str| {
        let found = headers.iter().find(|(key, _)| *key == name.as_bytes());
        found.map(|(_, value)| *value)
    };
    match decode(entity, header("key"), header, value) {
        Ok(event) => {
            assert_eq!(event.envelope.event_type.entity(), entity);
            assert!(EventType::ALL.contains(&event.envelope.event_type));
            assert_eq!(Some(event.envelope.subject.to_string().as_bytes()), header("key"));
        }
        // It becomes headers of a dead letter, and a line of a log.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
