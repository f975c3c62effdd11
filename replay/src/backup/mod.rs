//! Backups: a daily base backup of the log, its WAL in between, and short-lived ones of the key
//! store apart from them. Read models, stream and Redis are not backed up: they are rebuilt.
//!
//! ```text
//! BACKUP_DIR/log/20260923T020000Z/        a base backup, as pg_basebackup writes it
//! BACKUP_DIR/log/20260923T020000Z.json    what it holds ([`Manifest`]); without it the backup is none
//! BACKUP_DIR/wal/                         WAL segments, compressed, since the first base backup
//! BACKUP_DIR/keys/…                       the key store, kept for 7 days at most
//! ```
//!
//! A private server and any other one are treated alike: by URL, with pg_basebackup and
//! pg_receivewal of this machine.

mod folder;
mod hook;
mod manifest;
mod proof;
mod prune;
mod restore;
mod take;
mod wal;

pub use folder::{Folder, Kind};
pub use hook::offsite;
pub use manifest::Manifest;
pub use proof::{Proof, prove, prove_keys};
pub use prune::prune;
pub use restore::restore;
pub use take::take;
pub use wal::fetch_wal;
