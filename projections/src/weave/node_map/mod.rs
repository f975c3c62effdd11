//! The map's nodes: `GET /v1/nodes?bbox=`. `hidden` and `private` govern the search, so such
//! nodes are on the map; removed ones and ones without a place are not.
//!
//! A wide box asks for clusters instead: counts per cell of what everybody may find, public nodes only.
//!
//! Accounts and threads get their own lists: accounts from a grid in memory (their positions
//! are sealed), threads by their node's end.

mod clusters;
mod projection;
mod queries;
mod sink;
#[cfg(test)]
mod tests;

pub use clusters::{
    COUNTED_EVERYWHERE, Cluster, Counts, FINEST, MAX_CLUSTERS, clusters_everywhere, clusters_within,
    is_bounded, pleasant,
};
pub use projection::NodeMap;
pub use queries::{MAX_LIMIT, nodes_in_bbox};
