use std::collections::HashSet;

use domain::catalogue;
use kernel::Name;
use projections::geo::BBox;
use uuid::Uuid;

use super::LiveEvent;
use crate::{auth::Identity, command::parse_id, http::Params, problem::Problem, query::sentence};

/// Which events a listener is told of. What is given must all hold; of a list, one.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Whose ears these are. Decides with the event's audience, whatever else is asked for.
    pub viewer: Option<Uuid>,
    pub bbox: Option<BBox>,
    /// Types of aggregates; empty: all.
    pub aggregate_types: Vec<Name>,
    /// Types of events; empty: all.
    pub types: Vec<Name>,
    pub aggregates: HashSet<Uuid>,
    /// Nodes, with everything that happens in their conversations.
    pub nodes: HashSet<Uuid>,
    /// Only these conversations, where there is a list at all.
    pub conversations: Option<HashSet<Uuid>>,
    /// What the viewer did, and what is about their account or their nodes.
    pub mine: bool,
}

/// Parameters of a filter.
pub(super) const FILTERS: [&str; 6] = ["bbox", "aggregate_type", "aggregate", "type", "node", "mine"];

impl Filter {
    /// # Errors
    /// 400, or 401 for `mine` without a token.
    pub fn parse(params: &Params<'_>, identity: Option<Identity>) -> Result<Self, Problem> {
        let bbox = params.get("bbox").map(BBox::parse).transpose();
        let bbox = bbox.map_err(|error| Problem::bad_parameter("bbox", sentence(&error)))?;
        let mine = match params.get("mine") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Problem::bad_parameter("mine", "Write true or false.")),
        };
        if mine && identity.is_none() {
            return Err(Problem::unauthorised(
                "To hear of your own, send Authorization: Bearer and a token.",
            ));
        }
        let entries = catalogue();
        let known = |name: &'static str, fits: &dyn Fn(&str) -> bool| -> Result<Vec<Name>, Problem> {
            let words = params.words(name)?;
            let names = words.into_iter().map(|word| match fits(&word) {
                true => Name::parse(word).ok(),
                false => None,
            });
            let names: Option<Vec<Name>> = names.collect();
            names.ok_or_else(|| Problem::bad_parameter(name, "There is no such type."))
        };
        let ids = |name: &'static str| -> Result<HashSet<Uuid>, Problem> {
            let ids = params.words(name)?.iter().map(|text| parse_id(text)).collect::<Option<_>>();
            ids.ok_or_else(|| Problem::bad_parameter(name, "Write UUIDs with hyphens, commas between them."))
        };
        Ok(Self {
            viewer: identity.map(|identity| identity.account),
            bbox,
            aggregate_types: known("aggregate_type", &|word| {
                entries.iter().any(|entry| entry.aggregate_type.as_str() == word)
            })?,
            types: known("type", &|word| entries.iter().any(|entry| entry.event_type == word))?,
            aggregates: ids("aggregate")?,
            nodes: ids("node")?,
            conversations: None,
            mine,
        })
    }

    /// Whether this listener is told.
    #[must_use]
    pub fn matches(&self, event: &LiveEvent) -> bool {
        let about = &event.about;
        event.audience.has(self.viewer)
            && (self.aggregate_types.is_empty() || self.aggregate_types.contains(&event.aggregate_type))
            && (self.types.is_empty() || self.types.contains(&event.event_type))
            && (self.aggregates.is_empty() || self.aggregates.contains(&event.aggregate_id))
            && (self.nodes.is_empty() || about.node.is_some_and(|node| self.nodes.contains(&node)))
            && self.conversations.as_ref().is_none_or(|wanted| {
                about.conversation.is_some_and(|conversation| wanted.contains(&conversation))
            })
            && self
                .bbox
                .is_none_or(|bbox| about.places.iter().flatten().any(|(lat, lon)| bbox.contains(*lat, *lon)))
            && (!self.mine || self.is_mine(event))
    }

    fn is_mine(&self, event: &LiveEvent) -> bool {
        let viewer = self.viewer.is_some();
        viewer
            && [event.actor, event.about.account, event.about.owner]
                .into_iter()
                .any(|somebody| somebody.is_some() && somebody == self.viewer)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use projections::live::{About, Audience};

    use super::*;

    fn event(audience: Audience) -> LiveEvent {
        LiveEvent {
            position: 1,
            aggregate_type: Name::constant("node"),
            aggregate_id: Uuid::from_u128(7),
            event_type: Name::constant("NodeRevised"),
            about: About {
                node: Some(Uuid::from_u128(7)),
                conversation: None,
                account: None,
                owner: Some(Uuid::from_u128(1)),
                places: [Some((53.5, 10.0)), Some((48.1, 11.5))],
                audience,
            },
            audience,
            actor: Some(Uuid::from_u128(2)),
            frame: Bytes::new(),
            json: (0, 0),
        }
    }

    fn filter(query: &str, viewer: Option<u128>) -> Result<Filter, Problem> {
        let identity = viewer.map(|id| Identity { account: Uuid::from_u128(id), roles: Default::default() });
        Filter::parse(&Params::parse(Some(query), &FILTERS).unwrap(), identity)
    }

    fn told(query: &str, viewer: Option<u128>) -> bool {
        filter(query, viewer).unwrap().matches(&event(Audience::Everybody))
    }

    #[test]
    fn every_word_of_a_filter_has_to_hold() {
        let id = Uuid::from_u128(7);
        assert!(told("", None));
        assert!(told("aggregate_type=account,node&type=NodeRevised", None));
        assert!(!told("aggregate_type=account", None) && !told("type=NodeTied", None));
        assert!(told(&format!("aggregate={id}&node={id}"), None));
        assert!(!told(&format!("node={}", Uuid::nil()), None));
        // Both where it was and where it is now.
        assert!(told("bbox=9,53,11,54", None) && told("bbox=11,48,12,49", None));
        assert!(!told("bbox=0,0,1,1", None));
        assert!(told("mine=true", Some(1)) && told("mine=true", Some(2)) && !told("mine=true", Some(3)));
    }

    #[test]
    fn what_is_not_for_the_viewer_matches_nothing() {
        for query in ["", "aggregate_type=node", "bbox=9,53,11,54"] {
            let only = event(Audience::Only(Uuid::from_u128(1)));
            assert!(filter(query, Some(1)).unwrap().matches(&only));
            assert!(!filter(query, Some(2)).unwrap().matches(&only));
            assert!(!filter(query, None).unwrap().matches(&only));
            assert!(!filter(query, Some(1)).unwrap().matches(&event(Audience::Nobody)));
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bad in ["bbox=1", "aggregate_type=tree", "type=NodeSung", "node=7", "aggregate=", "mine=1"] {
            assert_eq!(filter(bad, Some(1)).unwrap_err().status(), 400, "{bad}");
        }
        assert_eq!(filter("mine=true", None).unwrap_err().status(), 401);
    }
}
