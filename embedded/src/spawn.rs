//! Starting children from one thread that lives as long as the process.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread;

type Order = (Command, SyncSender<io::Result<Child>>);

/// Spawns a child that belongs to the process, not to the calling thread: the kernel's
/// parent-death signal fires when the *thread* that forked ends, and a test's thread or a
/// runtime's worker ends long before the process.
pub fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Option<Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        let run = move || {
            for (mut command, answer) in inbox {
                // The caller waits for it below, so it cannot be gone.
                let _ = answer.send(command.spawn());
            }
        };
        thread::Builder::new().name("embedded-spawner".into()).spawn(run).ok().map(|_| orders)
    });
    let gone = || io::Error::other("the thread that starts servers could not be started");
    let (answer, child) = sync_channel(1);
    spawner.as_ref().ok_or_else(gone)?.send((command, answer)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}
