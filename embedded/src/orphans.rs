//! Servers whose owner was killed: found by where they run, and stopped.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::layout::Layout;
use crate::part::Part;
use crate::process::{self, Place, Stat};
use crate::server::stop_steps;

/// A server of this data folder without an owner.
#[derive(Debug)]
struct Orphan {
    pid: u32,
    part: Part,
    /// Postgres backends follow their postmaster; only he is asked to stop.
    leader: bool,
}

/// Stops what still runs in this folder. Only the holder of the lock may call it.
///
/// Nothing is killed by a remembered pid: a process counts when the kernel says that its
/// program is this server *and* that it works in this server's folder. That also finds
/// servers whose start nobody had the time to write down.
pub async fn stop_all(layout: &Layout, bound: Duration, progress: &(dyn Fn(&str) + Sync)) {
    let found = find(layout);
    if found.is_empty() {
        return;
    }
    progress("stopping servers that a killed predecessor left behind");
    for part in Part::ALL {
        if found.iter().any(|orphan| orphan.part == part) {
            stop_part(layout, part, bound).await;
        }
    }
}

/// Waits until nothing of one server is left, for restarting it after a kill: backends
/// outlive their postmaster by a moment and keep its shared memory in use.
pub async fn stop_part(layout: &Layout, part: Part, bound: Duration) {
    for (signal, patience) in stop_steps(part, bound) {
        let since = Instant::now();
        let mut found = find_part(layout, part);
        for orphan in &found {
            if orphan.leader || signal == Signal::KILL {
                send(layout, orphan, signal);
            }
            send(layout, orphan, Signal::CONT);
        }
        while !found.is_empty() && since.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(10)).await;
            found = find_part(layout, part);
        }
        if found.is_empty() {
            return;
        }
    }
}

fn find(layout: &Layout) -> Vec<Orphan> {
    Part::ALL.into_iter().flat_map(|part| find_part(layout, part)).collect()
}

fn find_part(layout: &Layout, part: Part) -> Vec<Orphan> {
    let folder = layout.server(part);
    let pids: Vec<u32> = process::all().filter(|pid| works_in(*pid, part, &folder)).collect();
    let is_follower = |pid| Stat::read(pid).is_some_and(|stat| pids.contains(&stat.parent));
    pids.iter().map(|&pid| Orphan { pid, part, leader: !is_follower(pid) }).collect()
}

fn works_in(pid: u32, part: Part, folder: &Path) -> bool {
    Place::of(pid).is_some_and(|place| place.cwd == folder && is_program(part, &place.program))
        && Stat::read(pid).is_some_and(|stat| !stat.zombie)
}

fn is_program(part: Part, program: &str) -> bool {
    match part {
        Part::Log | Part::Keys => program.starts_with("postgres"),
        Part::Nats => program.starts_with("nats-server"),
        // Debian's redis-server is a link to redis-check-rdb.
        Part::Redis => program.starts_with("redis"),
        Part::Typesense => program.starts_with("typesense"),
        Part::Meilisearch => program.starts_with("meilisearch"),
    }
}

/// Through a pidfd, with the check repeated after opening it: between check and signal the
/// pid cannot come to mean another process.
fn send(layout: &Layout, orphan: &Orphan, signal: Signal) {
    let Some(pid) = i32::try_from(orphan.pid).ok().and_then(Pid::from_raw) else { return };
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if works_in(orphan.pid, orphan.part, &layout.server(orphan.part)) {
        // It may have ended by now; the caller looks again.
        let _ = pidfd_send_signal(process, signal);
    }
}
