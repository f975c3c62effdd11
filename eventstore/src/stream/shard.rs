use uuid::Uuid;

/// How many shards there are; fixed for ever, because readers remember which they own.
pub const SHARDS: u64 = 64;

/// The shard of an aggregate, 0 to 63: FNV-1a with 64 bits over the 16 bytes of the id in network
/// order, modulo 64. Small enough to be written again in any language.
#[must_use]
pub fn shard(aggregate_id: Uuid) -> u8 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = aggregate_id
        .as_bytes()
        .iter()
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    // Below 64, so the cast keeps everything.
    (hash % SHARDS) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_shards_never_change() {
        for (id, expected) in [
            ("00000000-0000-0000-0000-000000000000", 37),
            ("00000000-0000-0000-0000-000000000001", 50),
            ("0198c0de-7e57-7000-8000-000000000001", 26),
            ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", 17),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", 21),
        ] {
            assert_eq!(shard(id.parse().unwrap()), expected, "{id}");
        }
    }

    #[test]
    fn ids_of_both_kinds_spread_evenly() {
        let ids: [fn(u128) -> Uuid; 2] = [
            // Version 7: the same millisecond, a counter.
            |n| Uuid::from_u128(0x0198_c0de_7e57_7000_8000_0000_0000_0000 | n),
            |n| Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes()),
        ];
        for id in ids {
            let mut counts = [0u32; SHARDS as usize];
            (0..64_000).for_each(|n| counts[usize::from(shard(id(n)))] += 1);
            assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        }
    }
}
