//! Callers that do what people do, and write down what they were told.

mod attempt;
mod caller;
mod leaver;
mod people;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use attempt::{Outcome, Sender};
pub use people::Person;

use crate::{
    cast::{Actor, COMMANDS, QUERY},
    history::History,
    site::Site,
};

/// Nodes that are revised by all callers, through both processes.
const SHARED_NODES: usize = 40;

/// What all callers share.
pub struct Load {
    pub history: Arc<History>,
    pub people: Vec<Person>,
    /// Each process for commands: around the proxy, and through it.
    pub doors: Vec<Door>,
    pub query: Door,
    /// Commands carry their idempotency keys.
    keyed: bool,
    next: AtomicU64,
    /// Every command, for asking again.
    ops: Mutex<BTreeMap<u64, Arc<Op>>>,
    nodes: Mutex<Vec<(Uuid, usize)>>,
}

/// Where one process can be reached.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    pub name: &'static str,
    pub direct: SocketAddr,
    pub proxied: SocketAddr,
}

impl Door {
    fn of(actor: &Actor) -> Self {
        Self { name: actor.name, direct: actor.address, proxied: actor.link.address() }
    }
}

/// One command, as it is sent, once or several times.
#[derive(Debug)]
pub struct Op {
    pub number: u64,
    pub path: String,
    pub body: Value,
    pub person: Person,
    pub key: String,
    pub trace: String,
    pub makes: usize,
    pub told: Mutex<Told>,
}

/// What is known of its outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    pub attempts: u32,
    pub acknowledged: bool,
    /// Some attempt may have been done without our knowing.
    pub unknown: bool,
}

impl Load {
    pub fn new(history: Arc<History>, actors: &[Actor], keyed: bool) -> Self {
        Self {
            history,
            people: Vec::new(),
            doors: actors[..COMMANDS].iter().map(Door::of).collect(),
            query: Door::of(&actors[QUERY]),
            keyed,
            next: AtomicU64::new(1),
            ops: Mutex::default(),
            nodes: Mutex::default(),
        }
    }

    /// A new command. `makes` is how many events it has when it is done.
    pub fn op(&self, person: &Person, path: String, body: Value, makes: usize) -> Arc<Op> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let op = Arc::new(Op {
            number,
            path,
            body,
            person: person.clone(),
            key: format!("chaos-{number}"),
            trace: Uuid::now_v7().simple().to_string(),
            makes,
            told: Mutex::default(),
        });
        self.lock_ops().insert(number, Arc::clone(&op));
        op
    }

    /// A node of the first person's, to see whether everything works.
    pub fn tie_by_first(&self) -> Arc<Op> {
        let body = json!({
            "title": "Probe", "kind": "projekt", "address": "Uferstraße, Hamburg",
            "location": {"lat": 53.5, "lon": 10.0}, "tags": ["offen"],
        });
        self.op(&self.people[0], format!("/v1/nodes/{}/tie", Uuid::now_v7()), body, 2)
    }

    fn lock_ops(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Op>>> {
        self.ops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those whose outcome nobody knows.
    pub fn unsettled(&self) -> Vec<Arc<Op>> {
        let open = |told: Told| told.unknown && !told.acknowledged;
        self.lock_ops().values().filter(|op| open(op.told())).cloned().collect()
    }

    /// Acknowledged ones, `count` of them over the whole run.
    pub fn some_acknowledged(&self, count: usize) -> Vec<Arc<Op>> {
        let ops = self.lock_ops();
        let done: Vec<&Arc<Op>> = ops.values().filter(|op| op.told().acknowledged).collect();
        done.iter().step_by((done.len() / count.max(1)).max(1)).map(|op| Arc::clone(op)).collect()
    }

    fn share(&self, node: Uuid, person: usize, random: &mut StdRng) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if nodes.len() < SHARED_NODES {
            nodes.push((node, person));
        } else {
            let at = random.random_range(0..SHARED_NODES);
            nodes[at] = (node, person);
        }
    }

    fn shared(&self, random: &mut StdRng) -> Option<(Uuid, usize)> {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        (!nodes.is_empty()).then(|| nodes[random.random_range(0..nodes.len())])
    }

    pub fn begin(
        self: &Arc<Self>,
        site: &Arc<Site>,
        callers: u64,
        seed: u64,
        stop: &CancellationToken,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(leaver::run(Arc::clone(self), Arc::clone(site), seed, stop.clone()));
        for number in 0..callers {
            tasks.spawn(caller::run(Arc::clone(self), number, seed, stop.clone()));
        }
        tasks
    }
}

impl Op {
    pub fn told(&self) -> Told {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
