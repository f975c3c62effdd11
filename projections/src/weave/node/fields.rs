use chrono::{DateTime, Utc};
use domain::weave::values::{Change, SearchVisibility};
use kernel::{RecordedEvent, Undecodable, Version};
use uuid::Uuid;

use super::{Field, NodeChange, NodeFact, Revised, Tied};
use crate::weave::LatLon;

/// A node's fields after its events so far. `None` in a field that a node must have means that
/// it was redacted; `redacted` names these, and the optional ones that were.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeFields {
    pub id: Uuid,
    pub kind: Option<String>,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub info: Option<String>,
    pub tags: Option<Vec<String>>,
    pub address: Option<String>,
    pub location: Option<LatLon>,
    pub search_visibility: SearchVisibility,
    /// `None` once the creator has left.
    pub created_by: Option<Uuid>,
    pub conversation_id: Uuid,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: Version,
    /// JSON pointers into the answer, sorted.
    pub redacted: Vec<String>,
    /// Set once; only the title outlives the removal.
    pub removed_at: Option<DateTime<Utc>>,
}

impl NodeFields {
    /// # Errors
    /// [`Undecodable`] for an event that cannot follow: the node's stream is not whole.
    pub fn after(
        fields: Option<Self>,
        change: &NodeChange,
        recorded: &RecordedEvent,
    ) -> Result<Self, Undecodable> {
        let at = change.origin.occurred_at;
        let mut fields = match (fields, &change.fact) {
            (None, NodeFact::Tied(tied)) => return Ok(Self::tied(tied, at, recorded)),
            (Some(fields), NodeFact::Revised(_) | NodeFact::VisibilityChanged(_) | NodeFact::Removed(_))
                if fields.removed_at.is_none() && fields.version < recorded.version =>
            {
                fields
            }
            (Some(fields), NodeFact::CreatorUnbound) if fields.version < recorded.version => fields,
            _ => {
                return Err(Undecodable::new(format!(
                    "{}: cannot follow the node's earlier events",
                    recorded.event_type
                )));
            }
        };
        match &change.fact {
            NodeFact::Tied(_) => {}
            NodeFact::Revised(revised) => fields.revise(revised),
            NodeFact::VisibilityChanged(changed) => fields.search_visibility = changed.to,
            NodeFact::CreatorUnbound => fields.created_by = None,
            NodeFact::Removed(removed) => fields.remove(&removed.last_title, at),
        }
        fields.updated_at = at;
        fields.version = recorded.version;
        Ok(fields)
    }

    fn tied(tied: &Tied, at: DateTime<Utc>, recorded: &RecordedEvent) -> Self {
        let mut fields = Self {
            id: recorded.aggregate_id,
            kind: None,
            title: None,
            summary: None,
            info: None,
            tags: None,
            address: None,
            location: None,
            search_visibility: tied.search_visibility,
            created_by: Some(tied.created_by),
            conversation_id: tied.conversation_id,
            created_at: at,
            updated_at: at,
            version: recorded.version,
            redacted: Vec::new(),
            removed_at: None,
        };
        let redacted = &mut fields.redacted;
        set(&mut fields.address, redacted, "/address", Some(&tied.address));
        set(&mut fields.kind, redacted, "/kind", Some(&tied.kind));
        set(&mut fields.title, redacted, "/title", Some(&tied.title));
        set(&mut fields.summary, redacted, "/summary", tied.summary.as_ref());
        set(&mut fields.info, redacted, "/info", tied.info.as_ref());
        set(&mut fields.tags, redacted, "/tags", Some(&tied.tags));
        set(&mut fields.location, redacted, "/location", Some(&tied.location));
        fields
    }

    fn revise(&mut self, revised: &Revised) {
        let redacted = &mut self.redacted;
        set(&mut self.address, redacted, "/address", revised.address.as_ref());
        set(&mut self.kind, redacted, "/kind", revised.kind.as_ref());
        set(&mut self.title, redacted, "/title", revised.title.as_ref());
        change(&mut self.summary, redacted, "/summary", &revised.summary);
        change(&mut self.info, redacted, "/info", &revised.info);
        set(&mut self.tags, redacted, "/tags", revised.tags.as_ref());
        set(&mut self.location, redacted, "/location", revised.location.as_ref());
    }

    /// Histories and feeds still show the last title; nothing else of the content is needed.
    fn remove(&mut self, last_title: &Field<String>, at: DateTime<Utc>) {
        (self.kind, self.summary, self.info, self.tags) = (None, None, None, None);
        (self.address, self.location) = (None, None);
        self.redacted.clear();
        set(&mut self.title, &mut self.redacted, "/title", Some(last_title));
        self.removed_at = Some(at);
    }
}

/// `None` leaves the field as it is.
fn set<T: Clone>(
    target: &mut Option<T>,
    redacted: &mut Vec<String>,
    pointer: &str,
    field: Option<&Field<T>>,
) {
    let known = match field {
        None => return,
        Some(Field::Known(value)) => Some(value.clone()),
        Some(Field::Redacted) => None,
    };
    let place = redacted.binary_search_by(|other| other.as_str().cmp(pointer));
    match (&known, place) {
        (Some(_), Ok(index)) => {
            redacted.remove(index);
        }
        (None, Err(index)) => redacted.insert(index, pointer.to_owned()),
        (Some(_), Err(_)) | (None, Ok(_)) => {}
    }
    *target = known;
}

fn change<T: Clone>(
    target: &mut Option<T>,
    redacted: &mut Vec<String>,
    pointer: &str,
    field: &Change<Field<T>>,
) {
    match field {
        Change::Keep => {}
        Change::Set(field) => set(target, redacted, pointer, Some(field)),
        Change::Clear => {
            *target = None;
            redacted.retain(|other| other != pointer);
        }
    }
}
