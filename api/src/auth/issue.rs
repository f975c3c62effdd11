use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, Header, encode};
use uuid::Uuid;

use super::{
    AUDIENCE, ISSUER, Identity, SigningKey,
    claims::{Claims, role_list},
};

/// A token for `identity`, valid from `now` on for `ttl`.
///
/// # Errors
/// The signature could not be made; the message names no secret.
pub fn issue(
    key: &SigningKey,
    identity: Identity,
    now: DateTime<Utc>,
    ttl: Duration,
) -> Result<String, jsonwebtoken::errors::Error> {
    let iat = now.timestamp();
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: identity.account,
        roles: role_list(identity.roles),
        iat,
        exp: iat.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)),
        nbf: None,
        jti: Uuid::now_v7().to_string(),
    };
    let header = Header { kid: Some(key.kid().to_owned()), ..Header::new(Algorithm::EdDSA) };
    encode(&header, &claims, key.encoding())
}
