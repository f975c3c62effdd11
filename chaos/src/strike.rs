//! Faults, carried out.

use std::{sync::Arc, time::Duration};

use bench::http::Connection;
use embedded::{Part, Signal};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::{
    cast::{Actor, CAST},
    history::{Entry, FaultKind, History},
    plan::{Fault, Link, Round, What, Whom},
    poison::{self, Poison},
    proxy::Proxy,
    site::{Site, signal_backend},
};

/// A server that does not come back at once is tried again: without it nothing ends.
const AGAIN: Duration = Duration::from_millis(500);

pub struct Striker {
    pub site: Arc<Site>,
    pub actors: Arc<Vec<Actor>>,
    pub history: Arc<History>,
}

impl Striker {
    /// Strikes, and returns when the last fault is lifted.
    pub async fn round(self: &Arc<Self>, round: Round, seed: u64) {
        let mut tasks = JoinSet::new();
        for (number, fault) in (0..).zip(round.faults) {
            let striker = Arc::clone(self);
            let random = StdRng::seed_from_u64(seed.wrapping_add(number));
            tasks.spawn(async move { striker.strike(fault, random).await });
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn strike(&self, fault: Fault, mut random: StdRng) {
        sleep(fault.after).await;
        match fault.what {
            What::Kill(whom) => self.kill(whom, fault.lasts, &mut random).await,
            What::Pause(whom) => self.pause(whom, fault.lasts, &mut random).await,
            What::Stop(actor) => {
                let actor = &self.actors[actor];
                self.begin(FaultKind::Stop, "stop", actor.name, fault.lasts);
                actor.stop();
                sleep(fault.lasts).await;
                actor.release();
                self.lifted("stop", actor.name);
            }
            What::Link(link, trouble) => {
                let (proxy, whom) = match link {
                    Link::Http(actor) => {
                        (Some(&self.actors[actor].link), format!("callers to {}", CAST[actor].0))
                    }
                    Link::Server(actor, part) => {
                        (self.site.link(actor, part), format!("{} to {}", CAST[actor].0, part.name()))
                    }
                };
                let Some(proxy) = proxy else { return };
                self.begin(FaultKind::Link, trouble.name(), &whom, fault.lasts);
                proxy.begin(trouble);
                sleep(fault.lasts).await;
                proxy.lift();
                self.lifted(trouble.name(), &whom);
            }
            What::Poison(poison) => self.poison(poison).await,
            What::Stream(whole) => {
                let what = if whole { "lost" } else { "older" };
                // NATS has to be killed for it.
                self.begin(FaultKind::Kill, "kill", Part::Nats.name(), fault.lasts);
                self.begin(FaultKind::Stream, what, "stream", fault.lasts);
                self.site.kill(Part::Nats).await;
                if let Err(error) = self.site.lose_stream(whole) {
                    eprintln!("chaos: the stream's files stay as they are: {error}");
                }
                sleep(fault.lasts).await;
                self.restart(Part::Nats).await;
                self.lifted(what, "stream");
            }
        }
    }

    async fn poison(&self, poison: Poison) {
        let node = Uuid::now_v7();
        self.begin(FaultKind::Poison, poison.name(), "the log", Duration::ZERO);
        // Before it is there: nobody may meet it unannounced.
        self.history.tell(Entry::Poisoned { node, parks: poison.parks(), there: false });
        let placed = match self.site.log_options() {
            Ok(log) => poison::put(poison, node, log).await,
            Err(error) => Err(error),
        };
        if placed.is_ok() {
            self.history.tell(Entry::Poisoned { node, parks: poison.parks(), there: true });
        }
        self.lifted(poison.name(), "the log");
    }

    async fn kill(&self, whom: Whom, lasts: Duration, random: &mut StdRng) {
        match whom {
            Whom::Actor(actor) => {
                let actor = &self.actors[actor];
                self.begin(FaultKind::Kill, "kill", actor.name, lasts);
                actor.kill();
                sleep(lasts).await;
                actor.release();
                self.lifted("kill", actor.name);
            }
            Whom::Server(part) => {
                self.begin(FaultKind::Kill, "kill", part.name(), lasts);
                self.site.kill(part).await;
                sleep(lasts).await;
                self.restart(part).await;
                self.lifted("kill", part.name());
            }
            Whom::Backend | Whom::Leader => {
                // Postgres ends all others too and recovers by itself.
                let backends = self.site.backends().await;
                if backends.is_empty() {
                    return;
                }
                let pid = backends[random.random_range(0..backends.len())];
                self.begin(FaultKind::Kill, "kill", "backend", lasts);
                signal_backend(pid, Signal::KILL);
                self.lifted("kill", "backend");
            }
        }
    }

    async fn pause(&self, whom: Whom, lasts: Duration, random: &mut StdRng) {
        match whom {
            Whom::Actor(actor) => self.pause_actor(&self.actors[actor], lasts).await,
            Whom::Leader => {
                if let Some(leader) = self.leader().await {
                    self.pause_actor(leader, lasts).await;
                }
            }
            Whom::Server(part) => {
                self.begin(FaultKind::Pause, "pause", part.name(), lasts);
                // Of Postgres its backends are what works; all of them stand still.
                let backends = if part == Part::Log { self.site.backends().await } else { Vec::new() };
                self.site.signal(part, Signal::STOP).await;
                backends.iter().for_each(|pid| signal_backend(*pid, Signal::STOP));
                sleep(lasts).await;
                backends.iter().for_each(|pid| signal_backend(*pid, Signal::CONT));
                self.site.signal(part, Signal::CONT).await;
                self.lifted("pause", part.name());
            }
            Whom::Backend => {
                let backends = self.site.backends().await;
                if backends.is_empty() {
                    return;
                }
                let pid = backends[random.random_range(0..backends.len())];
                self.begin(FaultKind::Pause, "pause", "backend", lasts);
                signal_backend(pid, Signal::STOP);
                sleep(lasts).await;
                signal_backend(pid, Signal::CONT);
                self.lifted("pause", "backend");
            }
        }
    }

    async fn pause_actor(&self, actor: &Actor, lasts: Duration) {
        self.begin(FaultKind::Pause, "pause", actor.name, lasts);
        actor.pause();
        sleep(lasts).await;
        actor.go_on();
        self.lifted("pause", actor.name);
    }

    /// The relay that publishes, if one does just now.
    async fn leader(&self) -> Option<&Actor> {
        for actor in self.actors.iter().filter(|actor| actor.name.starts_with("relay")) {
            if publishes(actor).await {
                return Some(actor);
            }
        }
        None
    }

    async fn restart(&self, part: Part) {
        while let Err(error) = self.site.restart(part).await {
            eprintln!("chaos: {part} does not come back, trying again: {error}");
            sleep(AGAIN).await;
        }
    }

    /// Nothing is left of any fault, whatever state an interrupted round was in.
    pub async fn lift_all(&self) {
        self.site.links().for_each(Proxy::lift);
        for actor in self.actors.iter() {
            actor.link.lift();
            actor.go_on();
            actor.release();
        }
        for pid in self.site.backends().await {
            signal_backend(pid, Signal::CONT);
        }
    }

    fn begin(&self, kind: FaultKind, what: &str, whom: &str, lasts: Duration) {
        let for_ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        self.history.tell(Entry::Fault { kind, what: what.to_owned(), whom: whom.to_owned(), for_ms });
    }

    fn lifted(&self, what: &str, whom: &str) {
        self.history.tell(Entry::Lifted { what: what.to_owned(), whom: whom.to_owned() });
    }
}

async fn publishes(actor: &Actor) -> bool {
    let asked = async {
        let mut connection = Connection::open(actor.address).await.ok()?;
        let answer = connection.ask(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await.ok()?;
        Some(answer.text().lines().any(|line| line == "relay_state 1"))
    };
    timeout(Duration::from_secs(1), asked).await.ok().flatten().unwrap_or(false)
}
