//! Where the servers answer, and as whom.

use std::fmt;

use serde::{Deserialize, Serialize};

/// URLs of the running servers. A part that was not started has empty strings.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Superuser of the log's Postgres: migrations only.
    pub owner_database_url: String,
    /// Login role `weltgewebe_app`, over 127.0.0.1.
    pub database_url: String,
    /// The same role over the unix socket, which costs less per round trip.
    pub database_socket_url: String,
    /// Superuser of the key store: migrations only.
    pub keys_owner_database_url: String,
    /// Login role `weltgewebe_keys`, over 127.0.0.1.
    pub keys_database_url: String,
    pub nats: NatsEndpoints,
    pub redis_url: String,
    #[serde(default)]
    pub typesense: SearchEndpoint,
    #[serde(default)]
    pub meilisearch: SearchEndpoint,
}

/// A search engine and its key; both empty when it was not started.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchEndpoint {
    pub url: String,
    pub key: String,
}

/// NATS with one password per user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatsEndpoints {
    /// Without credentials.
    pub url: String,
    pub users: NatsUsers,
}

/// Passwords of the four users; the user names are the field names.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatsUsers {
    pub relay: String,
    pub app: String,
    pub redactor: String,
    pub admin: String,
}

/// Who speaks to NATS. What each may do is in `nats/config.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatsUser {
    /// Publishes the events.
    Relay,
    /// Reads them through its consumers.
    App,
    /// Deletes single messages (forgetting a person).
    Redactor,
    /// May do everything: rebuilding the stream.
    Admin,
}

impl NatsUser {
    pub const ALL: [NatsUser; 4] = [NatsUser::Relay, NatsUser::App, NatsUser::Redactor, NatsUser::Admin];

    pub fn name(self) -> &'static str {
        match self {
            NatsUser::Relay => "relay",
            NatsUser::App => "app",
            NatsUser::Redactor => "redactor",
            NatsUser::Admin => "admin",
        }
    }
}

impl NatsUsers {
    pub fn password(&self, user: NatsUser) -> &str {
        match user {
            NatsUser::Relay => &self.relay,
            NatsUser::App => &self.app,
            NatsUser::Redactor => &self.redactor,
            NatsUser::Admin => &self.admin,
        }
    }
}

impl NatsEndpoints {
    /// `nats://user:password@127.0.0.1:port`, empty when NATS was not started.
    ///
    /// async-nats (up to 0.51) connects without the credentials of a URL
    /// (nats-io/nats.rs#1623): give it [`NatsUser::name`] and [`NatsUsers::password`] through
    /// `ConnectOptions::with_user_and_password`.
    pub fn url_for(&self, user: NatsUser) -> String {
        match self.url.strip_prefix("nats://") {
            Some(address) => format!("nats://{}:{}@{address}", user.name(), self.users.password(user)),
            None => String::new(),
        }
    }
}

impl fmt::Debug for SearchEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchEndpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

impl fmt::Debug for NatsEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsEndpoints").field("url", &self.url).finish_non_exhaustive()
    }
}

impl fmt::Debug for NatsUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NatsUsers { .. }")
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("database_url", &without_password(&self.database_url))
            .field("keys_database_url", &without_password(&self.keys_database_url))
            .field("nats", &self.nats.url)
            .field("redis_url", &without_password(&self.redis_url))
            .field("typesense", &self.typesense)
            .field("meilisearch", &self.meilisearch)
            .finish_non_exhaustive()
    }
}

/// `scheme://user:***@rest`.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    match rest.rsplit_once('@') {
        Some((login, address)) => {
            let user = login.split_once(':').map_or(login, |(user, _)| user);
            format!("{scheme}://{user}:***@{address}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_no_password() {
        let endpoints = Endpoints {
            owner_database_url: "postgres://o:geheim@h/d".into(),
            database_url: "postgres://a:geheim@h/d".into(),
            database_socket_url: "postgres://a:geheim@h/d".into(),
            keys_owner_database_url: "postgres://k:geheim@h/d".into(),
            keys_database_url: "postgres://k:geheim@h/d".into(),
            nats: NatsEndpoints {
                url: "nats://127.0.0.1:4222".into(),
                users: NatsUsers {
                    relay: "geheim".into(),
                    app: "geheim".into(),
                    redactor: "geheim".into(),
                    admin: "geheim".into(),
                },
            },
            redis_url: "redis://:geheim@h:1".into(),
            typesense: SearchEndpoint { url: "http://h:1".into(), key: "geheim".into() },
            meilisearch: SearchEndpoint { url: "http://h:2".into(), key: "geheim".into() },
        };
        let text = format!("{endpoints:?} {:?} {:?}", endpoints.nats, endpoints.nats.users);
        assert!(!text.contains("geheim"), "{text}");
        assert!(text.contains("postgres://a:***@h/d"), "{text}");
        assert_eq!(endpoints.nats.url_for(NatsUser::App), "nats://app:geheim@127.0.0.1:4222");
    }
}
