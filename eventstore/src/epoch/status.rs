use std::fmt;

use chrono::{DateTime, Utc};
use kernel::Position;
use sqlx::PgPool;

use crate::StoreError;

/// Which server: a copy of the same cluster shares the identifier and differs in the timeline, a
/// new cluster has another identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerIdentity {
    pub system_identifier: i64,
    pub timeline: i32,
}

impl fmt::Display for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As pg_controldata prints it.
        write!(f, "system {}, timeline {}", self.system_identifier.cast_unsigned(), self.timeline)
    }
}

/// Whether the log may be written on this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The epoch's own server.
    Ours,
    /// A standby: it follows another server.
    InRecovery,
    /// The same cluster after a promotion or a recovery to a point in time.
    OtherTimeline,
    /// Another cluster with a copy of the log.
    OtherSystem,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "the log belongs to this server",
            Self::InRecovery => "this server is a standby (in recovery) and cannot be written to",
            Self::OtherTimeline => {
                "this server was promoted or recovered from a backup since the epoch began; appends are refused"
            }
            Self::OtherSystem => {
                "the log was copied to this server from another cluster; appends are refused"
            }
        })
    }
}

/// What the head row says and what the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochStatus {
    pub epoch: i32,
    /// Last position of the log on this server.
    pub position: Position,
    /// Database time of the last event.
    pub recorded_at: DateTime<Utc>,
    /// The server the epoch belongs to.
    pub epoch_server: ServerIdentity,
    /// The server that answered.
    pub this_server: ServerIdentity,
    pub in_recovery: bool,
}

impl EpochStatus {
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.in_recovery {
            Standing::InRecovery
        } else if self.epoch_server.system_identifier != self.this_server.system_identifier {
            Standing::OtherSystem
        } else if self.epoch_server.timeline != self.this_server.timeline {
            Standing::OtherTimeline
        } else {
            Standing::Ours
        }
    }
}

/// Asks a server about itself, whether connections are refused there or not. `pool` is an ordinary
/// pool, not a [`LogPool`](crate::LogPool).
///
/// # Errors
/// [`StoreError`] when the database cannot be asked or holds no log.
pub async fn status(pool: &PgPool) -> Result<EpochStatus, StoreError> {
    let row = sqlx::query_file!("src/epoch/sql/status.sql").fetch_one(pool).await?;
    Ok(EpochStatus {
        epoch: row.epoch,
        position: row.position,
        recorded_at: row.recorded_at,
        epoch_server: ServerIdentity { system_identifier: row.system_identifier, timeline: row.timeline },
        this_server: ServerIdentity {
            system_identifier: row.server_system_identifier,
            timeline: row.server_timeline,
        },
        in_recovery: row.in_recovery,
    })
}

/// One epoch of the log's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochRow {
    pub epoch: i32,
    pub first_position: Position,
    pub started_at: DateTime<Utc>,
    pub reason: String,
}

/// Every epoch there was, the oldest first.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub async fn epochs(pool: &PgPool) -> Result<Vec<EpochRow>, StoreError> {
    Ok(sqlx::query_as!(
        EpochRow,
        "select epoch, first_position, started_at, reason from epochs order by epoch"
    )
    .fetch_all(pool)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_recognised_by_identifier_and_timeline() {
        let ours = ServerIdentity { system_identifier: -7, timeline: 3 };
        let status = |this_server, in_recovery| {
            let recorded_at = DateTime::UNIX_EPOCH;
            EpochStatus { epoch: 1, position: 9, recorded_at, epoch_server: ours, this_server, in_recovery }
                .standing()
        };
        assert_eq!(status(ours, false), Standing::Ours);
        assert_eq!(status(ours, true), Standing::InRecovery);
        assert_eq!(status(ServerIdentity { timeline: 4, ..ours }, false), Standing::OtherTimeline);
        assert_eq!(status(ServerIdentity { system_identifier: 7, ..ours }, false), Standing::OtherSystem);
        assert_eq!(ours.to_string(), "system 18446744073709551609, timeline 3");
    }
}
