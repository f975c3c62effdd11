use std::collections::{HashMap, HashSet, VecDeque, hash_map::Entry};

use kernel::Version;
use uuid::Uuid;

use super::{Append, Reservation};

/// Limits of one batch. More requests share one flush; but everybody in the batch waits for all
/// of it, and the head is locked while it is inserted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub requests: usize,
    pub events: usize,
    pub bytes: usize,
}

impl Reservation {
    pub(super) const fn hash(&self) -> &[u8; 32] {
        match self {
            Self::Take { hash, .. } | Self::Release { hash, .. } | Self::Count { hash, .. } => hash,
        }
    }
}

/// What a set of requests touches.
#[derive(Default)]
pub(super) struct Footprint {
    written: HashSet<Uuid>,
    asserted: HashMap<Uuid, Version>,
    /// Receipt keys and reservation keys: keyed hashes, so they cannot meet by chance.
    keys: HashSet<[u8; 32]>,
    reactors: HashSet<&'static str>,
}

impl Footprint {
    fn clashes(&self, append: &Append) -> bool {
        append.writes.iter().any(|write| {
            let id = write.aggregate.aggregate_id;
            self.written.contains(&id) || self.asserted.contains_key(&id)
        }) || append.asserts.iter().any(|assert| {
            let id = assert.aggregate.aggregate_id;
            self.written.contains(&id)
                // Each stream stands once in the call, with one expected version.
                || self.asserted.get(&id).is_some_and(|version| *version != assert.version)
        }) || keys(append).any(|key| self.keys.contains(key))
            || append.reactor.as_ref().is_some_and(|step| self.reactors.contains(step.reactor))
    }

    fn add(&mut self, append: &Append) {
        self.written.extend(append.writes.iter().map(|write| write.aggregate.aggregate_id));
        for assert in &append.asserts {
            if let Entry::Vacant(entry) = self.asserted.entry(assert.aggregate.aggregate_id) {
                entry.insert(assert.version);
            }
        }
        self.keys.extend(keys(append).copied());
        self.reactors.extend(append.reactor.iter().map(|step| step.reactor));
    }
}

fn keys(append: &Append) -> impl Iterator<Item = &[u8; 32]> {
    append
        .receipt
        .iter()
        .map(|receipt| &receipt.key_hash)
        .chain(append.reservations.iter().map(Reservation::hash))
}

pub(super) trait Request {
    fn append(&self) -> &Append;
}

/// Takes the next batch out of the queue: no two requests in it share a written aggregate, an
/// idempotency key or a reservation key, with each other or with a batch that is still `busy`.
/// What clashes stays, in order, and whatever clashes with something that stays, stays too, so
/// nobody is overtaken on the same key.
pub(super) fn take_batch<'a, R: Request>(
    queue: &mut VecDeque<R>,
    limits: Limits,
    busy: impl Iterator<Item = &'a Footprint> + Clone,
) -> (Vec<R>, Footprint) {
    let mut taken = Footprint::default();
    let mut waiting = Footprint::default();
    let mut batch = Vec::new();
    let mut rest = VecDeque::with_capacity(queue.len());
    let (mut events, mut bytes) = (0, 0);
    while let Some(request) = queue.pop_front() {
        let append = request.append();
        let more_events: usize = append.writes.iter().map(|write| write.events.len()).sum();
        let more_bytes: usize = append
            .writes
            .iter()
            .flat_map(|write| &write.events)
            .map(|event| event.payload.len() + event.metadata.len())
            .sum();
        let full = !batch.is_empty()
            && (batch.len() >= limits.requests
                || events + more_events > limits.events
                || bytes + more_bytes > limits.bytes);
        if full {
            rest.push_back(request);
            rest.append(queue);
            break;
        }
        if taken.clashes(append)
            || waiting.clashes(append)
            || busy.clone().any(|footprint| footprint.clashes(append))
        {
            waiting.add(append);
            rest.push_back(request);
            continue;
        }
        taken.add(append);
        events += more_events;
        bytes += more_bytes;
        batch.push(request);
    }
    *queue = rest;
    (batch, taken)
}

#[cfg(test)]
mod tests {
    use kernel::{AggregateRef, Name};

    use super::{
        super::{Assert, Receipt, Write},
        *,
    };

    const LIMITS: Limits = Limits { requests: 4, events: 100, bytes: 1 << 20 };

    struct Numbered(u8, Append);

    impl Request for Numbered {
        fn append(&self) -> &Append {
            &self.1
        }
    }

    fn aggregate(id: u128) -> AggregateRef {
        AggregateRef::new(Name::constant("thing"), Uuid::from_u128(id))
    }

    fn write(id: u128) -> Append {
        Append {
            writes: vec![Write {
                aggregate: aggregate(id),
                expected_version: 0,
                events: vec![],
                external_id: None,
            }],
            ..Append::default()
        }
    }

    fn assert_at(id: u128, version: Version) -> Append {
        Append { asserts: vec![Assert { aggregate: aggregate(id), version }], ..Append::default() }
    }

    fn keyed(id: u128, key: u8) -> Append {
        let receipt = Receipt {
            key_hash: [key; 32],
            fingerprint: [0; 32],
            aggregate_id: Uuid::from_u128(id),
            first_version: 1,
            position: None,
        };
        Append { receipt: Some(receipt), ..write(id) }
    }

    fn taking(id: u128, key: u8) -> Append {
        let owner = Uuid::from_u128(id);
        Append {
            reservations: vec![Reservation::Take { scope: "email", hash: [key; 32], owner }],
            ..write(id)
        }
    }

    fn batches(requests: Vec<Append>) -> Vec<Vec<u8>> {
        let mut queue: VecDeque<_> =
            requests.into_iter().enumerate().map(|(i, append)| Numbered(i as u8, append)).collect();
        let mut batches = vec![];
        while !queue.is_empty() {
            let (batch, _) = take_batch(&mut queue, LIMITS, std::iter::empty());
            batches.push(batch.iter().map(|request| request.0).collect());
        }
        batches
    }

    #[test]
    fn two_requests_on_one_aggregate_never_meet_in_a_batch() {
        assert_eq!(batches(vec![write(1), write(1), write(2), write(1)]), [vec![0, 2], vec![1], vec![3]]);
    }

    #[test]
    fn two_requests_with_one_idempotency_key_never_meet_in_a_batch() {
        assert_eq!(batches(vec![keyed(1, 7), keyed(2, 7), keyed(3, 8)]), [vec![0, 2], vec![1]]);
    }

    #[test]
    fn two_requests_on_one_reservation_never_meet_in_a_batch() {
        assert_eq!(batches(vec![taking(1, 7), taking(2, 7), taking(3, 8)]), [vec![0, 2], vec![1]]);
    }

    #[test]
    fn asserts_of_one_version_share_a_batch_and_a_write_waits_for_them() {
        assert_eq!(
            batches(vec![assert_at(1, 3), assert_at(1, 3), write(1), assert_at(1, 3)]),
            [vec![0, 1], vec![2], vec![3]]
        );
        assert_eq!(batches(vec![assert_at(1, 3), assert_at(1, 4)]), [vec![0], vec![1]]);
    }

    #[test]
    fn nobody_is_overtaken_by_a_later_request_on_the_same_aggregate() {
        // 1 waits for 0 and holds back 2, although 2 does not clash with 0.
        let both = Append { writes: [write(1).writes, write(2).writes].concat(), ..Append::default() };
        assert_eq!(batches(vec![write(1), both, write(2)]), [vec![0], vec![1], vec![2]]);
    }

    #[test]
    fn a_full_batch_leaves_the_rest_in_order() {
        assert_eq!(batches((1..=6).map(write).collect()), [vec![0, 1, 2, 3], vec![4, 5]]);
    }

    #[test]
    fn what_a_busy_batch_touches_waits_for_it() {
        let mut queue = VecDeque::from([Numbered(0, write(1)), Numbered(1, assert_at(2, 3))]);
        let (_, busy) = take_batch(&mut queue, LIMITS, std::iter::empty());
        let later = [write(1), write(2), keyed(3, 7), assert_at(2, 3), assert_at(2, 4)];
        queue.extend(later.into_iter().enumerate().map(|(i, append)| Numbered(i as u8, append)));
        let (batch, _) = take_batch(&mut queue, LIMITS, std::iter::once(&busy));
        assert_eq!(batch.iter().map(|request| request.0).collect::<Vec<_>>(), [2]);
        let (batch, _) = take_batch(&mut queue, LIMITS, std::iter::empty());
        // Assert 3 waits for the write of the same aggregate that waited before it.
        assert_eq!(batch.iter().map(|request| request.0).collect::<Vec<_>>(), [0, 1]);
    }
}
