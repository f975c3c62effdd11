//! Reading the log: by position, by aggregate, and the answers of earlier requests.

mod answer;
mod audit;
mod head;
mod page;
mod salted;
mod snapshot;
mod stream;
mod upkeep;

pub use answer::{AnsweredEvent, ReceiptLook, answered_events, find_receipt};
pub use audit::{AUDIT_WINDOW, AuditEvent, AuditFilter, AuditPage, audit_events, audit_events_at};
pub use head::{Head, backup_wal_kept, head, partitions_ahead, wait_free_snapshot_age};
pub use page::{PageLimit, read_page};
pub(crate) use salted::{Salted, read_salted_page};
pub use snapshot::{Snapshot, load_snapshot, save_snapshot};
pub use stream::{LoadedStream, StreamVersion, load_stream, load_streams, stream_versions};
pub use upkeep::{UPKEEP_BATCH, ensure_partitions, expire_receipts, expire_windows};
