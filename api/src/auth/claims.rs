use domain::{PlatformRole, PlatformRoles};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub const ISSUER: &str = "weltgewebe";
pub const AUDIENCE: &str = "api";

/// What a token says. Times are seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: Uuid,
    /// A role this version does not know makes the token unreadable: whoever issued it meant
    /// something by it.
    pub roles: Vec<PlatformRole>,
    pub iat: i64,
    pub exp: i64,
    /// Not before, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    pub jti: String,
}

/// Who a checked token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub account: Uuid,
    pub roles: PlatformRoles,
}

impl Claims {
    pub(super) fn identity(&self) -> Identity {
        let roles = self.roles.iter().fold(PlatformRoles::default(), |roles, role| roles.with(*role));
        Identity { account: self.sub, roles }
    }
}

pub(super) fn role_list(roles: PlatformRoles) -> Vec<PlatformRole> {
    [
        (roles.admin, PlatformRole::Admin),
        (roles.auditor, PlatformRole::Auditor),
        (roles.operator, PlatformRole::Operator),
    ]
    .into_iter()
    .filter_map(|(has, role)| has.then_some(role))
    .collect()
}
