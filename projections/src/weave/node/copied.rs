use super::NodeFields;
use crate::copy::{Rows, Texts};

/// What [`copy`] writes, in its order.
pub const COPIED: &str = "id, kind, title, summary, info, tags, address, lat, lon, search_visibility, \
                          created_by, conversation_id, created_at, updated_at, version, redacted";
const CELLS: i16 = 16;

/// A row with the columns that all tables of nodes have; `more` cells follow.
pub fn copy<'a>(rows: &'a mut Rows, node: &NodeFields, more: i16) -> &'a mut Rows {
    rows.row(CELLS + more)
        .put(node.id)
        .put(node.kind.as_deref())
        .put(node.title.as_deref())
        .put(node.summary.as_deref())
        .put(node.info.as_deref())
        .put(node.tags.as_deref().map(Texts))
        .put(node.address.as_deref())
        .put(node.location.map(|point| point.lat))
        .put(node.location.map(|point| point.lon))
        .put(node.search_visibility.as_str())
        .put(node.created_by)
        .put(node.conversation_id)
        .put(node.created_at)
        .put(node.updated_at)
        .put(node.version)
        .put(Texts(&node.redacted))
}
