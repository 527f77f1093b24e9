/// A block of an event stream, as it was sent: what a client that follows the standard makes of it is another question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentEvent {
    pub id: Option<String>,
    pub event: Option<String>,
    /// Lines are joined by their ends, as the standard says.
    pub data: Option<String>,
    pub retry: Option<String>,
    pub comment: Option<String>,
}

impl SentEvent {
    /// Its data as JSON.
    pub fn json(&self) -> serde_json::Value {
        let data = self.data.as_deref().expect("an event with data");
        serde_json::from_str(data).expect("JSON")
    }

    fn read(block: &str) -> Self {
        let mut read = Self::default();
        for line in block.lines() {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            let field = match name {
                "id" => &mut read.id,
                "event" => &mut read.event,
                "data" => &mut read.data,
                "retry" => &mut read.retry,
                "" => &mut read.comment,
                other => panic!("a field that the standard does not have: {other}"),
            };
            match field {
                Some(lines) if name == "data" => *lines = format!("{lines}\n{value}"),
                Some(_) => panic!("{name} twice in {block}"),
                None => *field = Some(value),
            }
        }
        read
    }
}

/// Reads an event stream from pieces, wherever they are cut.
#[derive(Debug, Default)]
pub struct SentEvents {
    unread: Vec<u8>,
}

impl SentEvents {
    /// Adds what has come.
    pub fn push(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
    }

    /// Whether something is left that is no whole block.
    pub fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }
}

impl Iterator for SentEvents {
    type Item = SentEvent;

    /// The next block that has come whole.
    fn next(&mut self) -> Option<SentEvent> {
        let end = self.unread.windows(2).position(|two| two == b"\n\n")?;
        let rest = self.unread.split_off(end + 2);
        let block = std::mem::replace(&mut self.unread, rest);
        let text = std::str::from_utf8(&block[..end]).expect("UTF-8");
        Some(SentEvent::read(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_wherever_they_are_cut() {
        let text = "retry: 2000\nid: a\n\n: heartbeat\n\nid: b\nevent: x\ndata: {\"n\":1}\n\nid: c\n";
        for size in 1..text.len() {
            let mut events = SentEvents::default();
            let mut read = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                events.push(piece);
                read.extend(events.by_ref());
            }
            assert_eq!(read.len(), 3, "in pieces of {size}");
            assert_eq!(
                (read[0].retry.as_deref(), read[0].id.as_deref()),
                (Some("2000"), Some("a"))
            );
            assert_eq!(read[1].comment.as_deref(), Some("heartbeat"));
            assert_eq!(
                (read[2].event.as_deref(), &read[2].json()["n"]),
                (Some("x"), &serde_json::json!(1))
            );
            assert!(!events.is_empty(), "the last block has no end yet");
        }
    }
}
