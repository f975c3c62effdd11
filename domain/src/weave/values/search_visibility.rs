use serde::{Deserialize, Serialize};

use crate::Rejection;

/// Who finds a node by searching. Map and page show it in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchVisibility {
    #[default]
    Public,
    /// Only its active owner.
    Private,
    /// Nobody, by the owner's wish.
    Hidden,
    /// Nobody, by an admin, who alone lifts it.
    Revoked,
}

impl SearchVisibility {
    pub const ALL: [Self; 4] = [Self::Public, Self::Private, Self::Hidden, Self::Revoked];

    /// # Errors
    /// 422 `unknown-value`.
    pub fn parse(word: &str) -> Result<Self, Rejection> {
        Self::ALL.into_iter().find(|visibility| visibility.as_str() == word).ok_or_else(|| {
            Rejection::invalid(
                "/search_visibility",
                "unknown-value",
                "Known are public, private, hidden and revoked.",
            )
        })
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Hidden => "hidden",
            Self::Revoked => "revoked",
        }
    }
}
