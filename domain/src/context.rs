use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Rejection;

/// Role given by the community; part of the account's state, never of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommunityRole {
    Guest,
    Weaver,
}

/// Role carried by a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlatformRole {
    Admin,
    Auditor,
    Operator,
}

/// The platform roles of one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlatformRoles {
    pub admin: bool,
    pub auditor: bool,
    pub operator: bool,
}

impl PlatformRoles {
    #[must_use]
    pub const fn with(mut self, role: PlatformRole) -> Self {
        match role {
            PlatformRole::Admin => self.admin = true,
            PlatformRole::Auditor => self.auditor = true,
            PlatformRole::Operator => self.operator = true,
        }
        self
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    Account {
        id: Uuid,
        /// Community role; `None` while the account is not registered.
        role: Option<CommunityRole>,
        /// Registered, not disabled, not left. Asserted again inside the append.
        active: bool,
        platform: PlatformRoles,
    },
    /// A process manager, a timer, an operator's tool.
    System,
}

impl Principal {
    #[must_use]
    pub const fn account_id(&self) -> Option<Uuid> {
        match self {
            Self::Account { id, .. } => Some(*id),
            Self::System => None,
        }
    }

    /// Whoever acts needs a registered account that is neither disabled nor left; platform
    /// roles are no substitute. Only the system needs none, and who registers has none yet.
    ///
    /// # Errors
    /// 403 `account-not-registered` or `account-not-active`.
    pub fn require_active(&self) -> Result<(), Rejection> {
        match self {
            Self::System | Self::Account { role: Some(_), active: true, .. } => Ok(()),
            Self::Account { role: None, .. } => {
                Err(Rejection::forbidden("account-not-registered", "Register an account first."))
            }
            Self::Account { active: false, .. } => {
                Err(Rejection::forbidden("account-not-active", "This account is disabled or was left."))
            }
        }
    }

    /// Is this the account itself?
    #[must_use]
    pub fn is(&self, account: Uuid) -> bool {
        self.account_id() == Some(account)
    }

    /// Platform admin, or the system itself.
    #[must_use]
    pub const fn is_admin(&self) -> bool {
        match self {
            Self::Account { platform, .. } => platform.admin,
            Self::System => true,
        }
    }

    /// May do what a weaver may: weavers, and admins everywhere.
    #[must_use]
    pub const fn is_weaver(&self) -> bool {
        match self {
            Self::Account { role, platform, .. } => {
                platform.admin || matches!(role, Some(CommunityRole::Weaver))
            }
            Self::System => true,
        }
    }
}

/// Everything a decision may use besides the aggregate's state and the command.
#[derive(Debug, Clone, Copy)]
pub struct DecideContext {
    pub principal: Principal,
    /// The aggregate the command is addressed to (known before it exists).
    pub aggregate_id: Uuid,
    /// The injected clock's time, already moved to not lie before the aggregate's last event.
    pub now: DateTime<Utc>,
}
