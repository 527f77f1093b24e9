//! Which requests a broker understands: one `ApiVersions` request of the Kafka protocol, version 0.
//!
//! The client library asks the same and tells nobody. Where a broker lacks the request by which a member of a group says that
//! it lives, the library looks for another broker for ever, and nothing but silence comes of it.
//! Format: <https://kafka.apache.org/protocol#The_Messages_ApiVersions>.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const API_VERSIONS: i16 = 18;
/// Brokers list about a hundred requests, six bytes each.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A request that this system needs, in the version that it sends at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needed {
    key: i16,
    pub(crate) name: &'static str,
    pub(crate) version: i16,
}

/// See docs/decisions/0002-group-protocol.md and docs/decisions/0091-start-up-checks.md.
pub(crate) const NEEDED: [Needed; 6] = [
    // Records with headers.
    Needed::new(0, "Produce", 3),
    // Producers that repeat nothing.
    Needed::new(22, "InitProducerId", 0),
    Needed::new(32, "DescribeConfigs", 1),
    // Groups by KIP-848, and offsets that such a member commits and reads.
    Needed::new(68, "ConsumerGroupHeartbeat", 1),
    Needed::new(8, "OffsetCommit", 9),
    Needed::new(9, "OffsetFetch", 9),
];

impl Needed {
    const fn new(key: i16, name: &'static str, version: i16) -> Self {
        Self { key, name, version }
    }
}

/// The newest version of each request that a broker understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Understood(Vec<(i16, i16)>);

impl Understood {
    /// What is needed and not understood.
    pub(crate) fn lacks(&self) -> Vec<Needed> {
        let understands = |needed: &Needed| {
            let newest = self.0.iter().find(|(key, _)| *key == needed.key);
            newest.is_some_and(|(_, version)| *version >= needed.version)
        };
        NEEDED.into_iter().filter(|needed| !understands(needed)).collect()
    }
}

/// Asks a broker. It may be asked before anybody has named himself to it.
pub(crate) async fn ask(mut broker: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Understood> {
    broker.write_all(&request()).await?;
    broker.flush().await?;
    let length = usize::try_from(broker.read_i32().await?).unwrap_or(usize::MAX);
    if length > MAX_ANSWER_BYTES {
        return Err(broken("is too long"));
    }
    let mut answer = vec![0; length];
    broker.read_exact(&mut answer).await?;
    parse(&answer)
}

/// Length, then key, version and number of the request, and no name of a client.
fn request() -> Vec<u8> {
    let fields: [&[u8]; 4] = [
        &API_VERSIONS.to_be_bytes(),
        &0_i16.to_be_bytes(),
        &0_i32.to_be_bytes(),
        &(-1_i16).to_be_bytes(),
    ];
    let body = fields.concat();
    // Ten bytes.
    let length = body.len() as u32;
    [&length.to_be_bytes()[..], &body].concat()
}

/// The number of the request, an error code, then an array of key, oldest and newest version.
fn parse(answer: &[u8]) -> io::Result<Understood> {
    let (head, versions) = answer.split_at_checked(10).ok_or_else(|| broken("ends early"))?;
    let (number, head) = head.split_at(4);
    let (code, count) = head.split_at(2);
    if number != [0; 4] {
        return Err(broken("is to another request"));
    }
    if code != [0; 2] {
        return Err(broken("is an error"));
    }
    let count = count.try_into().map(u32::from_be_bytes).unwrap_or(u32::MAX);
    let (entries, _) = versions.as_chunks::<6>();
    if usize::try_from(count).ok() != Some(entries.len()) {
        return Err(broken("ends early"));
    }
    let newest =
        |[k0, k1, _, _, v0, v1]: &[u8; 6]| (i16::from_be_bytes([*k0, *k1]), i16::from_be_bytes([*v0, *v1]));
    Ok(Understood(entries.iter().map(newest).collect()))
}

fn broken(how: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the answer {how}: is it a Kafka broker?"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i16, count: i32, entries: &[(i16, i16, i16)]) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend(code.to_be_bytes());
        bytes.extend(count.to_be_bytes());
        for (key, oldest, newest) in entries {
            bytes.extend([key.to_be_bytes(), oldest.to_be_bytes(), newest.to_be_bytes()].concat());
        }
        bytes
    }

    /// What is said of an answer of so many bytes, whatever they are.
    async fn said_of_length(length: usize) -> String {
        let (broker, mut asked) = tokio::io::duplex(2 * MAX_ANSWER_BYTES);
        asked.write_u32(length as u32).await.unwrap();
        asked.write_all(&vec![1; length]).await.unwrap();
        ask(broker).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_a_length_and_no_further() {
        let longest = said_of_length(MAX_ANSWER_BYTES).await;
        assert!(longest.contains("is to another request"), "{longest}");
        let longer = said_of_length(MAX_ANSWER_BYTES + 2).await;
        assert!(longer.contains("is too long"), "{longer}");
    }

    #[test]
    fn what_is_absent_or_too_old_is_lacking() {
        let all = [
            (0, 3, 13),
            (22, 0, 5),
            (32, 1, 4),
            (68, 0, 1),
            (8, 2, 10),
            (9, 1, 10),
        ];
        assert_eq!(parse(&answer(0, 6, &all)).unwrap().lacks(), []);
        // As Apache Kafka 3.9 answers, for these.
        let old = [
            (0, 0, 11),
            (22, 0, 5),
            (32, 0, 4),
            (68, 0, 0),
            (8, 0, 9),
            (9, 0, 9),
        ];
        let names = |understood: Understood| -> Vec<&str> {
            understood.lacks().iter().map(|needed| needed.name).collect()
        };
        assert_eq!(
            names(parse(&answer(0, 6, &old)).unwrap()),
            ["ConsumerGroupHeartbeat"]
        );
        assert_eq!(names(parse(&answer(0, 0, &[])).unwrap()).len(), NEEDED.len());
    }

    #[test]
    fn bytes_that_are_no_answer_are_an_error() {
        let good = answer(0, 1, &[(0, 0, 11)]);
        assert!(parse(&good).is_ok());
        for cut in 0..good.len() {
            assert!(parse(&good[..cut]).is_err(), "{cut}");
        }
        assert!(parse(&answer(35, 0, &[])).is_err());
        assert!(parse(&answer(0, -1, &[])).is_err());
        let mut other = good;
        other[3] = 1;
        assert!(parse(&other).is_err());
    }
}
