use chrono::{DateTime, Utc};
use domain::{
    CommunityRole,
    weave::{
        account::AccountStatus,
        values::{Change, MapState, Radius},
    },
};
use kernel::{Position, RecordedEvent, Undecodable, Version};
use uuid::Uuid;

use super::{AccountChange, AccountFact, answer::NodeLine, change::Described};
use crate::{Sealed, weave::activity::ActivityLine};

/// An account after its events so far, personal fields sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountRow {
    pub id: Uuid,
    pub role: CommunityRole,
    pub status: AccountStatus,
    pub map_state: MapState,
    pub radius_m: i32,
    /// `None` after the account left, as all of the following.
    pub title: Option<Sealed>,
    pub summary: Option<Sealed>,
    pub tags: Option<Sealed>,
    pub address: Option<Sealed>,
    /// Never the exact location.
    pub public_position: Option<Sealed>,
    pub joined_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: Version,
}

/// A row, what other read models know of the person, and how far all of them were.
#[derive(Debug, Clone)]
pub struct AccountRecord {
    pub row: AccountRow,
    pub(super) nodes: Vec<NodeLine>,
    pub(super) activity: Vec<ActivityLine>,
    pub position: Position,
    pub epoch: i32,
}

impl AccountRow {
    /// # Errors
    /// [`Undecodable`] for an event that cannot follow: the account's stream is not whole.
    pub fn after(
        row: Option<Self>,
        change: &AccountChange,
        recorded: &RecordedEvent,
    ) -> Result<Self, Undecodable> {
        let at = change.origin.occurred_at;
        let mut row = match (row, &change.fact) {
            (None, AccountFact::Registered { title, role }) => {
                return Ok(Self::registered(title, *role, at, recorded));
            }
            (Some(row), fact)
                if !matches!(fact, AccountFact::Registered { .. })
                    && row.status != AccountStatus::Left
                    && row.version < recorded.version =>
            {
                row
            }
            _ => {
                return Err(Undecodable::new(format!(
                    "{}: cannot follow the account's earlier events",
                    recorded.event_type
                )));
            }
        };
        match &change.fact {
            AccountFact::Registered { .. } | AccountFact::EmailChanged => {}
            AccountFact::Described(described) => row.describe(described),
            AccountFact::Placed { map_state, radius, public_position } => {
                row.map_state = *map_state;
                row.radius_m = metres(*radius);
                row.public_position = public_position.clone().filter(|_| map_state.is_on_map());
            }
            AccountFact::Disabled => row.status = AccountStatus::Disabled,
            AccountFact::Reactivated => row.status = AccountStatus::Active,
            AccountFact::Promoted { to } => row.role = *to,
            AccountFact::Left => row.leave(),
        }
        row.updated_at = at;
        row.version = recorded.version;
        Ok(row)
    }

    fn registered(title: &Sealed, role: CommunityRole, at: DateTime<Utc>, recorded: &RecordedEvent) -> Self {
        Self {
            id: recorded.aggregate_id,
            role,
            status: AccountStatus::Active,
            map_state: MapState::default(),
            radius_m: metres(Radius::default()),
            title: Some(title.clone()),
            summary: None,
            tags: None,
            address: None,
            public_position: None,
            joined_at: at,
            updated_at: at,
            version: recorded.version,
        }
    }

    fn describe(&mut self, described: &Described) {
        if let Some(title) = &described.title {
            self.title = Some(title.clone());
        }
        if let Some(tags) = &described.tags {
            self.tags = Some(tags.clone());
        }
        change(&mut self.summary, &described.summary);
        change(&mut self.address, &described.address);
    }

    /// The person is hidden at once; forgetting then destroys the keys.
    fn leave(&mut self) {
        self.status = AccountStatus::Left;
        self.map_state = MapState::NotOnMap;
        (self.title, self.summary, self.tags) = (None, None, None);
        (self.address, self.public_position) = (None, None);
    }
}

fn change(target: &mut Option<Sealed>, change: &Change<Sealed>) {
    match change {
        Change::Keep => {}
        Change::Clear => *target = None,
        Change::Set(sealed) => *target = Some(sealed.clone()),
    }
}

fn metres(radius: Radius) -> i32 {
    // A stored radius is a small number; the column's type has a bound, the log's has not.
    i32::try_from(radius.metres()).unwrap_or(i32::MAX)
}
