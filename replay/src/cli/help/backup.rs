//! Backups, and the jobs that take them by the clock.

pub const BACKUP_RUN: &str = concat!(
    "\
Copies the log's Postgres and the key store's with pg_basebackup, each into a folder of its own, and
fetches the WAL since the last time. Do it daily. Works by URL, or on the private servers; the owner
needs the right to replicate. Keep the key-encryption key (KEK_FILE) somewhere else: without it the
keys open nothing, and together with them it opens everything.

Examples:
  replay backup run
  BACKUP_OFFSITE='rclone copy \"$BACKUP_PATH\" remote:weltgewebe/$BACKUP_KIND' replay backup run
",
    exit_codes!("the off-site copy failed")
);

pub const BACKUP_WAL: &str = concat!(
    "\
What is lost with the log's server is what was written since the last call: every 5 minutes keeps the
promise of 5 minutes. The server keeps WAL until it was fetched; a fetch that stops fills its disk.

Example:
  replay backup wal
",
    exit_codes!("the off-site copy failed")
);

pub const BACKUP_LIST: &str = concat!(
    "\
Complete backups only; `proven` means that a restored copy of it was found to be right.

Example:
  replay backup list --json | jq '.log[-1]'
",
    exit_codes!("not used")
);

pub const BACKUP_VERIFY: &str = concat!(
    "\
Compares every file with the backup's own list, starts a copy on a private port, and checks that it
has all events of the log, without gaps, each with the payload that was hashed when it was written.
The key store's copy has to open with KEK_FILE.

Examples:
  replay backup verify
  replay backup verify 20260923T020000Z
",
    exit_codes!("the backup is not right")
);

pub const BACKUP_PRUNE: &str = concat!(
    "\
Removes base backups older than BACKUP_KEEP but for the newest, the WAL that none of the others
needs, and every backup of the keys older than BACKUP_KEYS_KEEP: while one is left, erasing a person
is not final.

Example:
  replay backup prune
",
    exit_codes!("not used")
);

pub const BACKUP_RESTORE: &str = concat!(
    "\
Copies a base backup to a folder and replays the archived WAL, then stops. What comes out is a data
folder on a timeline of its own, so everybody is refused until `replay epoch advance` decides.
Position and time of its last event are told.

Examples:
  replay backup restore --to ./restored/postgres-log
  replay backup restore --to ./restored/postgres-log --until 2026-09-23T14:05:00Z
",
    exit_codes!("not used")
);

pub const JOBS_LIST: &str = concat!(
    "\
Reads only. Jobs that no process has asked for yet are `never`. All times are UTC.

Examples:
  replay jobs list
  replay jobs list --json | jq '.jobs[] | select(.failing > 0)'
",
    exit_codes!("not used")
);

pub const JOBS_RUN: &str = concat!(
    "\
The job is leased as by any other process: the next regular run is a period from now.

Examples:
  replay jobs run receipts
  replay jobs run backup
",
    exit_codes!("the job failed, or somebody does it at this moment")
);

pub const JOBS_SERVE: &str = concat!(
    "\
Does every job when it is due: those of `api` as well, whoever is first, and the backups, which
need the owner's URLs and the programs of PostgreSQL. Any number may run, on several machines with
one BACKUP_DIR; one does each job.

Examples:
  replay jobs serve
  BACKUP_DIR=/backups BACKUP_OFFSITE='rsync -a \"$BACKUP_PATH\" elsewhere:' replay jobs serve --log info
",
    exit_codes!("not used")
);
