//! The long texts of `--help`: what to do when, examples, exit codes.

macro_rules! exit_codes {
    ($one:literal) => {
        concat!(
            "\nExit codes: 0 fine · 1 ",
            $one,
            " · 2 could not run (one sentence on standard error) · 130 interrupted"
        )
    };
}

pub(super) use exit_codes;

mod backup;
mod persons;

pub use backup::*;
pub use persons::*;

pub const TOP: &str = concat!(
    "\
Without URLs it uses the private servers of DATA_DIR: it attaches to them while `api` runs, and
starts (and stops) them itself when nobody does. Postgres is the truth: whatever else is lost or
wrong (stream, read models, reservations) can be rebuilt from it with the commands above.

What to do when …
  something looks wrong                    replay status
  a page shows old or wrong data           replay verify, then replay rebuild <name>
  a rebuild made it worse                  replay rollback <name>
  a search misses what is there            replay verify search --repair
  trending looks wrong                     replay verify hot_views, then replay rebuild hot_views
  an answer says `stale: true`             replay parked list, then retry or skip
  the relay reports a fork                 replay stream verify, then replay stream rebuild
  every command is answered 503 after a    replay epoch status, replay stream salvage, then
  failover or a restored backup            replay epoch advance --reason \"…\"
  an e-mail address is taken by nobody     replay reservations rebuild
  somebody asks what can be proven         replay audit verify
  a job is overdue or fails                replay jobs list, then replay jobs run <name>
  somebody wants to be forgotten           replay forget <account> --reason \"…\"
",
    exit_codes!("a difference, a miss, a refusal by rule"),
    "\nReference: `replay <command> --help`."
);

pub const STATUS: &str = concat!(
    "\
Reads only, and works on a standby and on a server that is refused. Problems are listed at the end
under `attention`; they do not change the exit code.

Examples:
  replay status
  replay status --json | jq '.projections[] | {name, lag}'
",
    exit_codes!("not used")
);

pub const VERIFY: &str = concat!(
    "\
Folds the whole log into scratch tables and compares every row with what is served, by hash first.
Commands and reads go on meanwhile; each read model stands still for the moment its hashes are taken.
Keys that are parked are named and not compared.
The views in Redis are compared as well (hot_views), every key of them, where there is a Redis; so are
the search engines beside Postgres (search, or typesense and meilisearch) by id and position, in buckets.

Examples:
  replay verify                     all read models
  replay verify node_page           one of them
  replay verify hot_views           the views in Redis
  replay verify search --repair     the search engines; what differs is written anew
  replay verify --json | jq '.read_models[] | select(.difference)'
",
    exit_codes!("a difference: the first one of each read model is named")
);

pub const REBUILD: &str = concat!(
    "\
Builds the next generation beside the present one, compares it with the log, then switches the views
in one transaction. The one before is kept and fed for a day: `replay rollback` goes back to it.
The views in Redis (hot_views) are built the same way; of them only the new generation is kept.
Search engines (typesense, meilisearch) fill a collection or index beside, compare it, and switch.
Interrupted or killed, the same command goes on where it stopped.

With --until it builds read models of Postgres as they were at a position or a moment, in schemas of
their own that the application cannot read: for auditors and for finding out what went wrong. Nothing
that lives is touched. `replay past` lists and drops them.

Examples:
  replay rebuild node_page
  replay rebuild --all
  replay rebuild node_page --until 4711
  replay rebuild --all --until 2026-09-23T14:05:00Z
",
    exit_codes!("the new generation does not agree with the log, nothing was switched")
);

pub const ROLLBACK: &str = concat!(
    "\
Shows the generation that was live before the last rebuild. It has been fed ever since, so it is as
current as the present one. Doing it twice comes back to where you were.

Example:
  replay rollback node_page
",
    exit_codes!("there is no generation to go back to")
);

pub const STREAM_VERIFY: &str = concat!(
    "\
Compares every message that is still in the stream with the log, by sequence and event id. What the
stream has dropped by age or size, or has not got yet, is no fault.

Examples:
  replay stream verify
  replay stream verify --from 1000000 --to 2000000
",
    exit_codes!("a hole, a foreign message, or a stream that goes further than the log")
);

pub const STREAM_REBUILD: &str = concat!(
    "\
Deletes the stream of the present epoch and publishes it again from the log. Read models are not
disturbed: they read from Postgres while messages are missing. A running relay helps.

Example:
  replay stream rebuild
",
    exit_codes!("the log and the new stream do not agree")
);

pub const STREAM_SALVAGE: &str = concat!(
    "\
After a failover to an asynchronous replica the stream often holds events that the promoted server
has lost. Where nothing was appended since, they go back into the log as they were: same positions,
ids, versions, times and hashes. Do it before `replay epoch advance`. Where the log has gone on
without them, they are written to a file that only you can read, and named.
Not in the stream: idempotency keys (a retry with one is decided anew) and reservations; restore
the latter with `replay reservations rebuild`. Interrupted, the same command goes on.

Examples:
  replay stream salvage --dry-run
  replay stream salvage
",
    exit_codes!("events are lost to the log (they are in the file), or with --dry-run: there are some")
);

pub const PARKED_LIST: &str = concat!(
    "\
An event that cannot be applied parks its key: later events of the same key queue behind it, all
other keys go on. Answers that show a parked key say `stale: true`.

Examples:
  replay parked list
  replay parked list node_page --json
",
    exit_codes!("not used")
);

pub const PARKED_RETRY: &str = concat!(
    "\
Rebuilds parked keys from the log. Use it after the cause is gone, usually with a new program version.

Examples:
  replay parked retry node_page
  replay parked retry node_page --key 01920000-0000-7000-8000-000000000001
",
    exit_codes!("some keys are still parked; the first event in the way of each is named")
);

pub const PARKED_SKIP: &str = concat!(
    "\
Decides that one event has no effect on one key, for good and in every generation to come, then
applies what queued behind it. The event stays in the log.

Example:
  replay parked skip node_page 01920000-0000-7000-8000-000000000001 4711 --reason \"broken import of May\"
",
    exit_codes!("that event is not parked for that key, or the key is still parked behind another one")
);

pub const EPOCH_STATUS: &str = concat!(
    "\
Says which server the log belongs to, which server answered, and what the stream holds beyond the
log. Reads only; works on a standby and on a promoted replica.

Example:
  replay epoch status
",
    exit_codes!("this server may not be written to")
);

pub const EPOCH_ADVANCE: &str = concat!(
    "\
After a failover to a replica, or a restore from a backup, every append is refused until this command
decides that the log goes on here. It refuses when the stream or a read model holds events this log
has lost, and names them: better promote a server that has them. --accept-loss gives them up.
Make sure that the old server is gone or fenced off first: it cannot know that it is not asked any more.
Processes of the old epoch must be restarted. Calling it again completes what was interrupted.

Examples:
  replay epoch advance --reason \"primary's disk failed, replica 2 promoted\"
  replay epoch advance --reason \"…\" --accept-loss
",
    exit_codes!("refused: nothing has changed, a standby, or events would be lost")
);

pub const RESERVATIONS_REBUILD: &str = concat!(
    "\
Restores which e-mail addresses are taken and how many nodes each guest has tied, from the log. Needs
the key store: addresses are encrypted, and only their keyed hash is kept. Registrations wait for
the moment in which the rows are exchanged.

Examples:
  replay reservations rebuild --check      compares only
  replay reservations rebuild
",
    exit_codes!("with --check: they differ; without: two living accounts share an address")
);

pub const DRILL: &str = concat!(
    "\
Starts servers of its own (primary, streaming replica, key store, NATS, Redis) in a scratch folder,
loads a made-up workload, lets the disaster happen under load, goes the way out of it with the
commands of this program, and checks every invariant afterwards. Touches nothing that is yours, unless
you give it servers for this: then everything in them is the drill's, and stays there afterwards.
The report says how long commands and read models were away (RTO) and what was lost (RPO).

Examples:
  replay drill
  replay drill --synchronous
  replay drill --scenario restore
  replay drill --events 1000000 --report ~/drills
  replay drill --scratch-url log=postgres://owner@db1/drill_scratch \\
    --scratch-url replica=postgres://owner@db2/drill_scratch --kill-primary 'ssh db1 pkill -9 postgres'
",
    exit_codes!("something was missed; the report names it")
);

pub const PAST_LIST: &str = concat!(
    "\
Reads only. The application neither feeds nor reads them; personal fields are the same ciphertext as
everywhere, so what was erased since then is erased here as well.

Examples:
  replay rebuild node_page --until 4711
  replay past list
",
    exit_codes!("not used")
);

pub const PAST_DROP: &str = concat!(
    "\
Also drops what an interrupted build has left behind.

Examples:
  replay past drop node_page 4711
",
    exit_codes!("there is none")
);
