//! Read models of the Weltgewebe.
//!
//! - [`node_map`]: the nodes within a box, in the order (cell, id);
//! - [`node_page`]: one node with its creator and history;
//! - [`account_map`]: the accounts within a box, from a grid in memory;
//! - [`account_page`]: one account, its personal fields sealed;
//! - [`authorship`]: which nodes and messages are bound to an account, for the reactor;
//! - [`conversation`]: conversations and their messages;
//! - [`thread`]: threads, live as long as the asker's clock says;
//! - [`activity`]: what people did, for good;
//! - [`statistics`]: how much there is, and how many take part;
//! - [`hot_views`]: which nodes are talked about, in Redis;
//! - [`node`] and [`LatLon`]: what node answers have in common.
//!
//! Proposals become a folder of their own next to these.

pub mod account_map;
pub mod account_page;
pub mod activity;
pub mod authorship;
pub mod conversation;
pub mod hot_views;
mod lat_lon;
#[cfg(test)]
mod measure;
pub mod node;
pub mod node_map;
pub mod node_page;
mod posted;
pub mod statistics;
pub mod thread;

use eventstore::subscription::Registry;
pub use lat_lon::LatLon;

/// All read models of this context, for the runtime that feeds them and the tool that rebuilds them.
#[must_use]
pub fn registry() -> Registry {
    Registry::new()
        .with(node_map::NodeMap)
        .with(node_page::NodePage)
        .with(account_page::AccountPage)
        .with(authorship::Authorship)
        .with(conversation::Conversations)
        .with(thread::Threads)
        .with(activity::Activities)
        .with(crate::search::NodeSearch::default())
        .with(statistics::Statistics)
        .with(crate::audit::audit_index::AuditIndex)
}

/// The same, shared out among runners: each has a thread, a connection and transactions of its own.
/// A runner and its connection take turns, so it takes more of them than cores to keep all busy.
/// Finding nodes by words costs most; what else is written for every node costs about as much as
/// what is written for every message.
#[must_use]
pub fn shares() -> [Registry; 3] {
    use kernel::Projection as _;
    let all = registry();
    let words = [crate::search::NodeSearch::NAME];
    let nodes = [node_map::NodeMap::NAME, node_page::NodePage::NAME, authorship::Authorship::NAME];
    let rest = all.without(&words).without(&nodes);
    // They were registered by these names.
    let named = |names: &[&str]| {
        all.only(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap_or_default()
    };
    [named(&words), named(&nodes), rest]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_read_model_is_in_exactly_one_share() {
        let mut shared: Vec<_> =
            shares().iter().flat_map(|share| share.names().collect::<Vec<_>>()).collect();
        let mut all: Vec<_> = registry().names().collect();
        shared.sort_unstable();
        all.sort_unstable();
        assert_eq!(shared, all);
    }
}
