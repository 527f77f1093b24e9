//! In which partition the events of a key lie: what the relay's producer computes (`murmur2_random`), and every other
//! producer of Kafka by default.

/// The partition of a key in a topic that has so many.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    // The sign is cut off, as the brokers' own client does it.
    let hash = i32::try_from(murmur2(key) & 0x7fff_ffff).unwrap_or_default();
    hash.checked_rem(partitions).unwrap_or_default()
}

/// MurmurHash2 with 32 bits and the seed of Kafka's clients.
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let (words, rest) = key.as_chunks::<4>();
    // A key has at most some kilobytes.
    let mut hash = SEED ^ key.len() as u32;
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(M);
        let word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    if !rest.is_empty() {
        let tail = rest
            .iter()
            .rev()
            .fold(0, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the Java client computes, by the tests of the C client (`rdmurmur2.c`).
    #[test]
    fn the_hash_is_that_of_the_other_clients() {
        for (key, hash) in [
            ("kafka", 0xd067_cf64),
            ("giberish123456789", 0x8f55_2b0c),
            ("1234", 0x9fc9_7b14),
            ("234", 0xe7c0_09ca),
            ("34", 0x8739_30da),
            ("4", 0x5a4b_5ca1),
            ("PreAmbleWillBeRemoved,ThePrePartThatIs", 0x7842_4f1c),
            ("reAmbleWillBeRemoved,ThePrePartThatIs", 0x4a62_b377),
            ("eAmbleWillBeRemoved,ThePrePartThatIs", 0xe0e4_e09e),
            ("AmbleWillBeRemoved,ThePrePartThatIs", 0x62b8_b43f),
            ("", 0x106e_08d9),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn a_partition_is_one_of_those_that_are_there() {
        // 0xd067cf64 without its sign is 0x5067cf64.
        assert_eq!(partition_of(b"kafka", 6), 0x5067_cf64 % 6);
        assert_eq!(partition_of(b"kafka", 1), 0);
        assert_eq!(partition_of(b"kafka", 0), 0, "of a topic that has none");
    }
}
