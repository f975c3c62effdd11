use serde::{Deserialize, Serialize};

use crate::Rejection;

/// How an account shows on the public map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapState {
    #[default]
    NotOnMap,
    /// At its anchor.
    Exact,
    /// At a random point within the radius around its anchor.
    Radius,
}

impl MapState {
    pub const ALL: [Self; 3] = [Self::NotOnMap, Self::Exact, Self::Radius];

    /// # Errors
    /// 422 `unknown-value`.
    pub fn parse(word: &str) -> Result<Self, Rejection> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
            Rejection::invalid("/map_state", "unknown-value", "Known are not_on_map, exact and radius.")
        })
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotOnMap => "not_on_map",
            Self::Exact => "exact",
            Self::Radius => "radius",
        }
    }

    #[must_use]
    pub const fn is_on_map(self) -> bool {
        !matches!(self, Self::NotOnMap)
    }
}
