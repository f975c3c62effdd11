use kernel::{Class, Personal};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AccountPlaced, PlaceAccount};
use crate::{
    Rejection,
    weave::values::{Location, MapState, Radius, public_point},
};

/// Where an account is on the map, and where it would be when it shows itself again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub map_state: MapState,
    pub radius_m: Radius,
    /// The exact place. Never leaves the aggregate, except as public point of `exact`.
    anchor: Option<Personal<Location>>,
    /// The random point that belongs to the present anchor and radius. It is kept while the
    /// account is hidden or exact: a new one at each showing would let anybody average the
    /// anchor out of many.
    point: Option<Personal<Location>>,
}

impl Place {
    /// What the map shows; `None` when hidden.
    #[must_use]
    pub const fn public_position(&self) -> Option<&Personal<Location>> {
        match self.map_state {
            MapState::NotOnMap => None,
            MapState::Exact => self.anchor.as_ref(),
            MapState::Radius => self.point.as_ref(),
        }
    }

    /// The event, if anything changes. An anchor or point that was erased counts as unknown.
    pub(super) fn decide(
        &self,
        command: &PlaceAccount,
        account_id: Uuid,
    ) -> Result<Option<AccountPlaced>, Rejection> {
        let personal = |location: Location| Personal::new(Class::Location, account_id, location);
        let known = self.anchor.as_ref().and_then(Personal::value).copied();
        let new_anchor = command.location.filter(|wanted| Some(*wanted) != known);
        let radius_m = command.radius_m.unwrap_or(self.radius_m);
        // With another anchor or radius the old point is no longer the one to show.
        let point =
            if new_anchor.is_some() || radius_m != self.radius_m { None } else { self.point.as_ref() };
        let point = point.and_then(Personal::value).copied();

        let public_position = match (command.map_state, command.location.or(known)) {
            (MapState::NotOnMap, _) => None,
            (_, None) => return Err(location_required()),
            (MapState::Exact, Some(anchor)) => Some(anchor),
            (MapState::Radius, Some(anchor)) => {
                Some(point.unwrap_or_else(|| public_point(anchor, radius_m, command.u, command.v)))
            }
        };
        let unchanged = command.map_state == self.map_state
            && radius_m == self.radius_m
            && new_anchor.is_none()
            && public_position == self.public_position().and_then(Personal::value).copied();
        if unchanged {
            return Ok(None);
        }
        Ok(Some(AccountPlaced {
            map_state: command.map_state,
            radius_m,
            location: new_anchor.map(personal),
            public_position: public_position.map(personal),
        }))
    }

    pub(super) fn apply(&mut self, placed: &AccountPlaced) {
        if placed.location.is_some() {
            self.anchor.clone_from(&placed.location);
            self.point = None;
        }
        if placed.radius_m != self.radius_m {
            self.point = None;
        }
        if placed.map_state == MapState::Radius {
            self.point.clone_from(&placed.public_position);
        }
        self.map_state = placed.map_state;
        self.radius_m = placed.radius_m;
    }
}

fn location_required() -> Rejection {
    Rejection::invalid("/location", "location-required", "To be on the map an account needs a location.")
}
