use chrono::{DateTime, TimeDelta, Utc};
use domain::weave::conversation::{ConversationKind, conversation_id};
use eventstore::seal::Sealer;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ThreadKey, ThreadType};
use crate::{
    ReadError, Sealed, millis,
    opened::{Column, open_all},
    weave::LatLon,
};

/// Exactly; at this age a thread is absent everywhere.
pub const FADES_AFTER: TimeDelta = TimeDelta::hours(168);

/// A thread as every answer shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThreadShape {
    pub id: Uuid,
    pub account_id: Uuid,
    pub node_id: Uuid,
    /// `knotting` or `conversation`.
    #[serde(rename = "type")]
    pub thread_type: String,
    /// 1 when it was drawn, 0 after [`FADES_AFTER`], linear in between.
    pub opacity: f64,
    #[serde(serialize_with = "millis::serialize")]
    pub started_at: DateTime<Utc>,
    #[serde(serialize_with = "millis::serialize")]
    pub expires_at: DateTime<Utc>,
    /// The account's public position; `None` when it is not on the map.
    pub from: Option<LatLon>,
    /// The node's place; `None` when it was redacted.
    pub to: Option<LatLon>,
    /// JSON pointers of values that are gone for good; left out when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<&'static str>,
}

impl ThreadShape {
    /// The rows it was made from.
    #[must_use]
    pub fn keys(&self) -> Vec<ThreadKey> {
        let conversation = conversation_id(ConversationKind::Node, self.node_id);
        let thread = ThreadType::parse(&self.thread_type).map(|thread_type| ThreadKey::Thread {
            account: self.account_id,
            thread_type,
            conversation,
        });
        thread.into_iter().chain([ThreadKey::Node { conversation }]).collect()
    }
}

/// How visible a thread is at `now`; a clock that is behind sees a fresh one.
#[must_use]
pub fn opacity_at(started_at: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    let age = (now - started_at).num_milliseconds() as f64;
    (1.0 - age / FADES_AFTER.num_milliseconds() as f64).clamp(0.0, 1.0)
}

/// Threads that were drawn after this moment are live at `now`.
pub(crate) fn live_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - FADES_AFTER
}

/// A live thread as statements return it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ThreadLine {
    pub id: Uuid,
    pub account_id: Uuid,
    pub node_id: Uuid,
    pub thread_type: String,
    pub started_at: DateTime<Utc>,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub public_position: Option<Sealed>,
}

/// The lines at `now`, the accounts' positions opened in one call.
///
/// # Errors
/// [`ReadError`] when a position cannot be opened for another reason than that it was erased.
pub(crate) async fn shown(
    sealer: &Sealer,
    lines: Vec<ThreadLine>,
    now: DateTime<Utc>,
) -> Result<Vec<ThreadShape>, ReadError> {
    let columns: Vec<Column<'_>> =
        lines.iter().map(|line| Column::public_position(line.public_position.as_ref())).collect();
    let positions = open_all::<LatLon>(sealer, &columns).await?;
    drop(columns);
    Ok(lines
        .into_iter()
        .zip(positions)
        .map(|(line, position)| {
            let mut erased = Vec::new();
            ThreadShape {
                id: line.id,
                account_id: line.account_id,
                node_id: line.node_id,
                thread_type: line.thread_type,
                opacity: opacity_at(line.started_at, now),
                started_at: line.started_at,
                expires_at: line.started_at + FADES_AFTER,
                from: position.or_erased("/from", &mut erased),
                to: line.lat.zip(line.lon).map(|(lat, lon)| LatLon { lat, lon }),
                erased,
            }
        })
        .collect())
}
