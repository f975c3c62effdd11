//! Which faults strike whom: decided by the seed and nothing else.

use std::time::Duration;

use embedded::Part;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    cast::{self, CAST},
    poison::Poison,
    proxy::Trouble,
};

/// Whom a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// A process of ours, by its place in [`CAST`].
    Actor(usize),
    /// Whichever relay holds the lease: the sharpest one to pause.
    Leader,
    Server(Part),
    /// One connection's process in the log's Postgres.
    Backend,
}

/// The two ends of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// From a process to a server.
    Server(usize, Part),
    /// From the callers to a process.
    Http(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// kill -9; started again when the time is over.
    Kill(Whom),
    /// SIGSTOP, SIGCONT.
    Pause(Whom),
    /// SIGTERM, as a rolling restart does.
    Stop(usize),
    Link(Link, Trouble),
    /// NATS dies and its store is gone (`true`) or an older copy (`false`).
    Stream(bool),
    /// An event that cannot be applied appears in the log.
    Poison(Poison),
}

/// One fault, so long after its round began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub after: Duration,
    pub what: What,
    pub lasts: Duration,
}

/// Faults that overlap, and whether the system may recover before the next ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    pub faults: Vec<Fault>,
    pub rest: bool,
}

pub struct Plan {
    random: StdRng,
    /// Longest pause of anything, in milliseconds.
    longest_ms: u64,
    rounds: u64,
}

const SERVERS: [Part; 4] = [Part::Log, Part::Keys, Part::Nats, Part::Redis];

impl Plan {
    /// A short run has no time for pauses of half a minute.
    pub fn new(seed: u64, length: Duration) -> Self {
        let longest = (length / 10).clamp(Duration::from_secs(3), Duration::from_secs(30));
        Self { random: StdRng::seed_from_u64(seed), longest_ms: longest.as_millis() as u64, rounds: 0 }
    }

    pub fn round(&mut self) -> Round {
        self.rounds += 1;
        let count = self.random.random_range(1..=3);
        let mut faults: Vec<Fault> = Vec::new();
        while faults.len() < count {
            let fault = self.fault();
            // Two on the same would be one, and which of them ended it nobody could tell.
            if faults.iter().all(|other| !meet(other.what, fault.what)) {
                faults.push(fault);
            }
        }
        Round { faults, rest: self.random.random_bool(0.7) }
    }

    fn fault(&mut self) -> Fault {
        let after = Duration::from_millis(self.random.random_range(0..600));
        // Short ones are as sharp as long ones and leave time for more.
        let short = Duration::from_millis(self.random.random_range(0..1_500));
        let (what, lasts) = match self.random.random_range(0..100) {
            0..24 => (What::Kill(Whom::Actor(self.actor())), short),
            24..36 => (What::Kill(Whom::Server(self.server())), short),
            36..44 => (What::Kill(Whom::Backend), Duration::ZERO),
            44..56 => (What::Pause(Whom::Actor(self.actor())), self.span()),
            56..61 => (What::Pause(Whom::Leader), self.span().max(Duration::from_millis(3_500))),
            61..67 => (What::Pause(Whom::Server(self.server())), self.span()),
            67..70 => (What::Pause(Whom::Backend), self.span()),
            70..74 => (What::Stop(self.actor()), short),
            74..86 => (What::Link(self.server_link(), self.trouble()), self.span()),
            86..93 => (What::Link(Link::Http(self.listener()), self.trouble()), self.span()),
            93..97 => (What::Poison(self.poison()), Duration::ZERO),
            97..99 => (What::Stream(true), short),
            _ => (What::Stream(false), short),
        };
        Fault { after, what, lasts }
    }

    fn actor(&mut self) -> usize {
        self.random.random_range(0..CAST.len())
    }

    fn listener(&mut self) -> usize {
        self.random.random_range(0..cast::LISTENERS)
    }

    fn server(&mut self) -> Part {
        SERVERS[self.random.random_range(0..SERVERS.len())]
    }

    /// Half of them between the appenders and the log: there the answers matter most.
    fn server_link(&mut self) -> Link {
        if self.random.random_bool(0.5) {
            Link::Server(self.random.random_range(0..cast::COMMANDS), Part::Log)
        } else {
            Link::Server(self.actor(), self.server())
        }
    }

    fn poison(&mut self) -> Poison {
        match self.random.random_range(0..4) {
            0 => Poison::Unknown,
            1 => Poison::TooBig,
            _ => Poison::Undecodable,
        }
    }

    fn trouble(&mut self) -> Trouble {
        match self.random.random_range(0..8) {
            0 => Trouble::Partition,
            1 => Trouble::Delay(Duration::from_millis(self.random.random_range(5..300))),
            2 => Trouble::Reset,
            3 => Trouble::LostAnswers,
            4 => Trouble::LostRequests,
            _ => Trouble::LostReply,
        }
    }

    /// 0.1 s to the longest, as often between 0.1 and 1 as between 1 and 10.
    fn span(&mut self) -> Duration {
        let longest = self.longest_ms as f64;
        let exponent: f64 = self.random.random_range(0.0..1.0);
        Duration::from_millis((100.0 * (longest / 100.0).powf(exponent)) as u64)
    }
}

fn meet(one: What, other: What) -> bool {
    let server = |what: What| match what {
        What::Kill(Whom::Server(part)) | What::Pause(Whom::Server(part)) => Some(part),
        What::Kill(Whom::Backend) | What::Pause(Whom::Backend) => Some(Part::Log),
        What::Stream(_) => Some(Part::Nats),
        _ => None,
    };
    let actor = |what: What| match what {
        What::Kill(Whom::Actor(actor)) | What::Pause(Whom::Actor(actor)) | What::Stop(actor) => Some(actor),
        _ => None,
    };
    let leader = |what: What| what == What::Pause(Whom::Leader);
    let relay = |what: What| actor(what).is_some_and(|actor| CAST[actor].1 == "relay");
    let link = |what: What| match what {
        What::Link(link, _) => Some(link),
        _ => None,
    };
    (server(one).is_some() && server(one) == server(other))
        || (actor(one).is_some() && actor(one) == actor(other))
        || (leader(one) && (leader(other) || relay(other)))
        || (leader(other) && relay(one))
        || (link(one).is_some() && link(one) == link(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(300);

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let rounds = |seed| {
            let mut plan = Plan::new(seed, LENGTH);
            (0..50).map(|_| plan.round()).collect::<Vec<_>>()
        };
        assert_eq!(rounds(7), rounds(7));
        assert_ne!(rounds(7), rounds(8));
    }

    #[test]
    fn everybody_is_struck_in_every_way_sooner_or_later() {
        let mut plan = Plan::new(1, LENGTH);
        let faults: Vec<Fault> = (0..5_000).flat_map(|_| plan.round().faults).collect();
        let has = |what: What| faults.iter().any(|fault| fault.what == what);
        for actor in 0..CAST.len() {
            assert!(has(What::Kill(Whom::Actor(actor))) && has(What::Pause(Whom::Actor(actor))));
            assert!(has(What::Stop(actor)));
        }
        for part in SERVERS {
            assert!(has(What::Kill(Whom::Server(part))) && has(What::Pause(Whom::Server(part))));
        }
        assert!(has(What::Kill(Whom::Backend)) && has(What::Pause(Whom::Leader)));
        assert!(has(What::Stream(true)) && has(What::Stream(false)));
        for poison in [Poison::Undecodable, Poison::Unknown, Poison::TooBig] {
            assert!(has(What::Poison(poison)));
        }
        for actor in 0..cast::COMMANDS {
            assert!(has(What::Link(Link::Server(actor, Part::Log), Trouble::LostReply)));
            assert!(has(What::Link(Link::Http(actor), Trouble::LostReply)));
        }
        assert!(faults.iter().all(|fault| fault.lasts <= Duration::from_secs(30)));
        assert!(faults.iter().any(|fault| fault.lasts > Duration::from_secs(25)));
    }

    #[test]
    fn nothing_is_struck_twice_in_one_round() {
        let mut plan = Plan::new(2, LENGTH);
        for _ in 0..2_000 {
            let faults = plan.round().faults;
            for (index, fault) in faults.iter().enumerate() {
                assert!(faults[index + 1..].iter().all(|other| !meet(fault.what, other.what)));
            }
        }
    }
}
