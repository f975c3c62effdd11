use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio_util::sync::CancellationToken;

use super::server::ServerLimits;

/// Everybody who is connected.
///
/// Connections cost their owner nothing, so that a thousand of them that say nothing are no reason
/// to keep the next one out: where there is no room the one goes that has waited longest, those
/// first that never asked for anything. Only where all are at work a new one is refused.
pub(super) struct Guests {
    limits: ServerLimits,
    since: Instant,
    present: Mutex<Present>,
}

#[derive(Default)]
struct Present {
    next: u64,
    guests: HashMap<u64, Arc<Seat>>,
    by_address: HashMap<IpAddr, usize>,
}

struct Seat {
    address: IpAddr,
    /// [`WORKING`], [`GONE`], or since when nothing has come from it; see [`SERVED`].
    waits: AtomicU64,
    close: CancellationToken,
}

/// A request of it is answered.
const WORKING: u64 = 0;
/// It had to make room.
const GONE: u64 = u64::MAX;
/// Who was answered before has this bit, and so a place behind those who never were.
const SERVED: u64 = 1 << 62;

/// One connection; its place is free again when this is dropped.
pub(super) struct Guest {
    number: u64,
    seat: Arc<Seat>,
    all: Arc<Guests>,
}

/// Says when the request's body is there.
#[derive(Clone)]
pub(super) struct Waiting(Arc<Seat>);

impl Guests {
    pub fn new(limits: ServerLimits) -> Arc<Self> {
        Arc::new(Self { limits, since: Instant::now(), present: Mutex::default() })
    }

    /// A place for a new connection; `None` when all that it could have are at work.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Guest> {
        let address = neighbourhood(peer);
        let mut present = self.present();
        if present.by_address.get(&address).copied().unwrap_or(0) >= self.limits.for_address(address) {
            present.make_room(Some(address))?;
        }
        if present.guests.len() >= self.limits.connections {
            present.make_room(None)?;
        }
        let seat = Seat { address, waits: AtomicU64::new(self.moment()), close: CancellationToken::new() };
        let (number, seat) = (present.next, Arc::new(seat));
        present.next += 1;
        present.guests.insert(number, Arc::clone(&seat));
        *present.by_address.entry(address).or_default() += 1;
        drop(present);
        Some(Guest { number, seat, all: Arc::clone(self) })
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since the start, never 0: that is [`WORKING`].
    fn moment(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(SERVED).clamp(1, SERVED - 1)
    }
}

impl Present {
    /// Sends away who has waited longest, of this address or of all.
    fn make_room(&mut self, of: Option<IpAddr>) -> Option<()> {
        loop {
            let waiting = self.guests.iter().filter(|(_, seat)| of.is_none_or(|of| seat.address == of));
            let longest = waiting
                .map(|(number, seat)| (seat.waits.load(Ordering::Relaxed), *number))
                .filter(|(since, _)| *since != WORKING)
                .min()?;
            let (since, number) = longest;
            let seat = Arc::clone(self.guests.get(&number)?);
            // It may have begun to ask just now.
            if seat.waits.compare_exchange(since, GONE, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                self.leave(number);
                seat.close.cancel();
                return Some(());
            }
        }
    }

    fn leave(&mut self, number: u64) {
        let Some(seat) = self.guests.remove(&number) else { return };
        if let Some(count) = self.by_address.get_mut(&seat.address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&seat.address);
            }
        }
    }
}

impl Guest {
    /// The connection, for a handler that keeps it.
    pub fn seat(&self) -> super::Seat {
        let (all, number) = (Arc::clone(&self.all), self.number);
        super::Seat::new(self.sent_away(), move || all.present().leave(number))
    }

    /// Ends when this connection has to make room.
    pub fn sent_away(&self) -> CancellationToken {
        self.seat.close.clone()
    }

    /// The head of a request is there: its body is waited for. `false`: too late, it is to go.
    pub fn asks(&self) -> bool {
        let now = self.all.moment();
        let old = self.seat.waits.load(Ordering::Relaxed);
        let new = if old & SERVED == 0 { now } else { now | SERVED };
        old != GONE && self.seat.waits.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    pub fn waiting(&self) -> Waiting {
        Waiting(Arc::clone(&self.seat))
    }

    /// Its answer is on its way, and nothing else to do for it.
    pub fn served(&self) {
        let old = self.seat.waits.load(Ordering::Relaxed);
        if old != GONE {
            // Lost against the one who sends it away: then it is gone, and that is right, too.
            let new = self.all.moment() | SERVED;
            let _ = self.seat.waits.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

impl Waiting {
    /// From here on the request is at work. `false`: too late, its connection is to go.
    pub fn is_over(&self) -> bool {
        let old = self.0.waits.load(Ordering::Relaxed);
        old == WORKING
            || old != GONE
                && self.0.waits.compare_exchange(old, WORKING, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.all.present().leave(self.number);
    }
}

/// Whom an address stands for: one line of a provider has 2^64 addresses of IPv6.
fn neighbourhood(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests(connections: usize, per_address: usize) -> Arc<Guests> {
        Guests::new(ServerLimits { connections, per_address, ..ServerLimits::default() })
    }

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn who_never_asked_goes_before_who_was_answered_and_who_is_at_work_stays() {
        let all = guests(3, 3);
        let [known, silent, busy] = [1, 2, 3].map(|last| all.admit(peer(last)).unwrap());
        assert!(known.asks() && known.waiting().is_over());
        known.served();
        assert!(busy.asks() && busy.waiting().is_over());
        let fourth = all.admit(peer(4)).unwrap();
        assert!(silent.sent_away().is_cancelled() && !silent.asks() && !silent.waiting().is_over());
        assert!(!known.sent_away().is_cancelled() && !busy.sent_away().is_cancelled());
        assert!(fourth.asks() && fourth.waiting().is_over());
        let _fifth = all.admit(peer(5)).unwrap();
        assert!(known.sent_away().is_cancelled());
    }

    #[test]
    fn where_all_are_at_work_a_new_one_is_refused_until_one_leaves() {
        let all = guests(2, 2);
        let busy = [1, 2].map(|last| all.admit(peer(last)).unwrap());
        assert!(busy.iter().all(|guest| guest.asks() && guest.waiting().is_over()));
        assert!(all.admit(peer(3)).is_none());
        drop(busy);
        assert!(all.admit(peer(3)).is_some());
        assert!(all.present().guests.is_empty() && all.present().by_address.is_empty());
    }

    #[test]
    fn one_address_takes_no_more_than_its_share_from_the_others() {
        let all = guests(100, 2);
        let other = all.admit(peer(9)).unwrap();
        let many: Vec<_> = (0..10).map(|_| all.admit(peer(1)).unwrap()).collect();
        let gone = many.iter().filter(|guest| guest.sent_away().is_cancelled()).count();
        assert_eq!((gone, other.sent_away().is_cancelled()), (8, false));
        // The same line, whatever the second half of the address is.
        let lines: Vec<_> =
            ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(|ip| all.admit(ip.parse().unwrap())).into();
        assert!(lines[0].as_ref().unwrap().sent_away().is_cancelled());
    }

    #[test]
    fn this_machine_may_have_most_of_the_room() {
        let all = guests(100, 2);
        let ours: Vec<_> = (0..75).map(|_| all.admit([127, 0, 0, 1].into()).unwrap()).collect();
        assert!(ours.iter().all(|guest| !guest.sent_away().is_cancelled()));
        let _next = all.admit([127, 0, 0, 1].into()).unwrap();
        assert!(ours[0].sent_away().is_cancelled());
    }
}
