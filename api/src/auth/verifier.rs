use std::sync::Arc;

use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use kernel::Clock;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::{AUDIENCE, ISSUER, Identity, SigningKey, claims::Claims};
use crate::problem::Problem;

/// Tokens remembered as checked. Too low: busy callers pay ~50 µs per request; too high: memory
/// (about 100 bytes each).
const REMEMBERED: usize = 10_000;
/// Seconds a clock may be off.
const LEEWAY_S: i64 = 30;
/// A token of ours has about 400 characters; longer ones are not worth hashing.
const LONGEST: usize = 4_096;

/// Checks tokens against our own key. Cheap to share.
pub struct Verifier {
    key: SigningKey,
    validation: Validation,
    clock: Arc<dyn Clock>,
    /// By SHA-256 of the token, so that no token can be read out of memory dumps of the cache.
    checked: Cache<[u8; 32], Checked>,
}

#[derive(Clone, Copy)]
struct Checked {
    identity: Identity,
    exp: i64,
}

impl Verifier {
    #[must_use]
    pub fn new(key: SigningKey, clock: Arc<dyn Clock>) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are compared below, with the injected clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { key, validation, clock, checked: Cache::new(REMEMBERED) }
    }

    /// Who the request's token speaks for.
    ///
    /// # Errors
    /// 401, without saying which part of the check failed beyond what the caller can see.
    pub fn identity(&self, headers: &HeaderMap) -> Result<Identity, Problem> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Err(Problem::unauthorised("Send Authorization: Bearer and a token."));
        };
        if values.next().is_some() {
            return Err(Problem::unauthorised("Send one Authorization header only."));
        }
        let token = value.to_str().ok().and_then(bearer);
        self.check(token.ok_or_else(|| Problem::unauthorised("Send Authorization: Bearer and a token."))?)
    }

    /// The same where a token is optional: none is nobody, a bad one is 401.
    ///
    /// # Errors
    /// 401
    pub fn identity_if_any(&self, headers: &HeaderMap) -> Result<Option<Identity>, Problem> {
        if headers.contains_key(AUTHORIZATION) { self.identity(headers).map(Some) } else { Ok(None) }
    }

    fn check(&self, token: &str) -> Result<Identity, Problem> {
        let now = self.clock.now().timestamp();
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let checked = match self.checked.get(&digest) {
            Some(checked) => checked,
            None => {
                let checked = self
                    .verified(token, now)
                    .ok_or_else(|| Problem::unauthorised("The token is not valid here."))?;
                self.checked.insert(digest, checked);
                checked
            }
        };
        if checked.exp.saturating_add(LEEWAY_S) <= now {
            self.checked.remove(&digest);
            return Err(Problem::unauthorised("The token has expired."));
        }
        Ok(checked.identity)
    }

    fn verified(&self, token: &str, now: i64) -> Option<Checked> {
        // The key is ours by id; a key or a key's address inside the token is never used.
        let header = decode_header(token).ok()?;
        if header.alg != Algorithm::EdDSA || header.kid.as_deref() != Some(self.key.kid()) {
            return None;
        }
        // An extension we must understand, and understand none of (RFC 7515, 4.1.11).
        if extended(token) {
            return None;
        }
        let claims = decode::<Claims>(token, self.key.decoding(), &self.validation).ok()?.claims;
        let issued_in_time = claims.iat <= now.saturating_add(LEEWAY_S) && claims.iat <= claims.exp;
        let begun = claims.nbf.is_none_or(|nbf| nbf <= now.saturating_add(LEEWAY_S));
        let named = (1..=128).contains(&claims.jti.len());
        (issued_in_time && begun && named).then(|| Checked { identity: claims.identity(), exp: claims.exp })
    }
}

/// Whether the header asks for something beyond a plain signature.
fn extended(token: &str) -> bool {
    let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let header = header.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    header.is_none_or(|header| header.get("crit").is_some() || header.get("b64").is_some())
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST).then_some(token)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta, Utc};
    use domain::PlatformRoles;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use kernel::ManualClock;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::auth::issue;

    fn key() -> SigningKey {
        let folder = tempfile::tempdir().unwrap();
        SigningKey::load_or_create(&folder.path().join("jwt")).unwrap()
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn verifier(key: &SigningKey) -> (Verifier, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(now()));
        (Verifier::new(key.clone(), Arc::clone(&clock) as Arc<dyn Clock>), clock)
    }

    fn identity() -> Identity {
        Identity { account: Uuid::from_u128(7), roles: PlatformRoles { auditor: true, ..Default::default() } }
    }

    fn signed(key: &SigningKey, claims: &Value) -> String {
        let header = Header { kid: Some(key.kid().to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, key.encoding()).unwrap()
    }

    fn claims() -> Value {
        json!({"iss": "weltgewebe", "aud": "api", "sub": Uuid::from_u128(7), "roles": ["auditor"],
               "iat": 1_800_000_000, "exp": 1_800_003_600, "jti": "1"})
    }

    #[test]
    fn a_token_is_believed_until_it_expires_also_from_the_cache() {
        let key = key();
        let (verifier, clock) = verifier(&key);
        let token = issue(&key, identity(), now(), Duration::from_secs(60)).unwrap();
        assert_eq!(verifier.check(&token).unwrap(), identity());
        clock.advance(TimeDelta::seconds(89));
        assert_eq!(verifier.check(&token).unwrap(), identity());
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(verifier.check(&token).unwrap_err().status(), 401);
    }

    #[test]
    fn a_claim_that_is_missing_or_wrong_is_401() {
        let key = key();
        let (verifier, _) = verifier(&key);
        assert!(verifier.check(&signed(&key, &claims())).is_ok());
        for (name, value) in [
            ("iss", json!("other")),
            ("aud", json!("web")),
            ("sub", json!("nobody")),
            ("roles", json!(["emperor"])),
            ("iat", json!(1_800_000_031)),
            ("exp", json!(1_799_999_970)),
            ("jti", json!("")),
        ] {
            let mut wrong = claims();
            wrong[name] = value;
            assert!(verifier.check(&signed(&key, &wrong)).is_err(), "{name}");
            wrong.as_object_mut().unwrap().remove(name);
            assert!(verifier.check(&signed(&key, &wrong)).is_err(), "without {name}");
        }
    }

    #[test]
    fn a_token_of_the_future_or_with_an_extension_is_401() {
        let key = key();
        let (verifier, _) = verifier(&key);
        for (nbf, good) in [(1_800_000_030, true), (1_800_000_031, false)] {
            let mut later = claims();
            later["nbf"] = json!(nbf);
            assert_eq!(verifier.check(&signed(&key, &later)).is_ok(), good, "{nbf}");
        }
        let header = |more: &str| {
            URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"EdDSA","kid":"k"{more}}}"#)) + ".payload.signature"
        };
        assert!(!extended(&header("")));
        assert!(extended(&header(r#","crit":["exp"]"#)) && extended(&header(r#","b64":false"#)));
        assert!(extended("no header"));
    }

    #[test]
    fn another_key_another_algorithm_and_a_changed_token_are_401() {
        let ours = key();
        let (verifier, _) = verifier(&ours);
        let foreign = issue(&key(), identity(), now(), Duration::from_secs(60)).unwrap();
        assert!(verifier.check(&foreign).is_err());

        let header = Header { kid: Some(ours.kid().to_owned()), ..Header::new(Algorithm::HS256) };
        let hmac = encode(&header, &claims(), &EncodingKey::from_secret(b"public key")).unwrap();
        assert!(verifier.check(&hmac).is_err());

        let none = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","kid":"{}"}}"#, ours.kid()));
        let body = URL_SAFE_NO_PAD.encode(claims().to_string());
        assert!(verifier.check(&format!("{none}.{body}.")).is_err());

        let good = signed(&ours, &claims());
        let (rest, signature) = good.rsplit_once('.').unwrap();
        let head = rest.split_once('.').unwrap().0;
        let mut more = claims();
        more["roles"] = json!(["admin"]);
        let forged = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(more.to_string()));
        assert!(verifier.check(&forged).is_err());
        assert!(verifier.check(rest).is_err());
    }

    #[test]
    fn the_header_is_one_bearer_token() {
        let key = key();
        let (verifier, _) = verifier(&key);
        let token = signed(&key, &claims());
        let with = |values: &[String]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            verifier.identity(&headers).is_ok()
        };
        assert!(with(&[format!("Bearer {token}")]));
        assert!(with(&[format!("bearer  {token}")]));
        assert!(!with(&[]));
        assert!(!with(std::slice::from_ref(&token)));
        assert!(!with(&[format!("Basic {token}")]));
        assert!(!with(&["Bearer ".to_owned() + &"x".repeat(5000)]));
        assert!(!with(&[format!("Bearer {token}"), format!("Bearer {token}")]));
    }
}
