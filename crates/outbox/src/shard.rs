use uuid::Uuid;

use crate::doorbell::ShardSet;

/// Shards of every outbox: a constant of the schema, stored in each row at append, never configuration.
pub const SHARDS: i16 = 64;

/// The shard of an aggregate, 0 to 63: FNV-1a with 64 bits over the id's 16 bytes in network order, of which the
/// top six bits. All bytes take part, so that ids of any UUID version spread evenly.
///
/// The function must never change: rows of one aggregate in two shards have no order.
pub fn shard_of(aggregate_id: Uuid) -> i16 {
    let hash = aggregate_id
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    // Six bits fit into any integer.
    (hash >> 58) as i16
}

impl ShardSet {
    /// The shards of these aggregates.
    pub fn of(aggregates: impl IntoIterator<Item = Uuid>) -> Self {
        let mut shards = Self::default();
        for aggregate_id in aggregates {
            shards.insert(shard_of(aggregate_id));
        }
        shards
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_of_an_id_is_what_it_always_was() {
        let shard = |text: &str| shard_of(text.parse().unwrap());
        assert_eq!(shard("00000000-0000-0000-0000-000000000000"), 34);
        assert_eq!(shard("0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f"), 55);
        assert_eq!(shard("ffffffff-ffff-ffff-ffff-ffffffffffff"), 53);
    }

    #[test]
    fn ids_made_one_after_the_other_spread_over_all_shards() {
        let mut rows = [0_u32; SHARDS as usize];
        for _ in 0..64_000 {
            rows[shard_of(Uuid::now_v7()) as usize] += 1;
        }
        // 1,000 each are expected, with a standard deviation of 31.
        assert!(rows.iter().all(|rows| (750..1_250).contains(rows)), "{rows:?}");
    }
}
