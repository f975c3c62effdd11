//! The servers and the choice among them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the private servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Postgres with the log and the read models.
    Log,
    /// The small Postgres with the subject keys.
    Keys,
    /// NATS with JetStream.
    Nats,
    /// Redis.
    Redis,
    /// Typesense; only where its program is installed.
    Typesense,
    /// Meilisearch; only where its program is installed.
    Meilisearch,
}

impl Part {
    /// Every part, in the order in which they are named to people.
    pub const ALL: [Part; 6] =
        [Part::Log, Part::Keys, Part::Nats, Part::Redis, Part::Typesense, Part::Meilisearch];

    /// Those without which nothing runs.
    pub const NEEDED: [Part; 4] = [Part::Log, Part::Keys, Part::Nats, Part::Redis];

    /// The word used on the command line and in `servers.json`.
    pub fn name(self) -> &'static str {
        match self {
            Part::Log => "log",
            Part::Keys => "keys",
            Part::Nats => "nats",
            Part::Redis => "redis",
            Part::Typesense => "typesense",
            Part::Meilisearch => "meilisearch",
        }
    }

    /// Folder of its data below the data folder. `keys/` is not used: the key that wraps
    /// the subject keys lives there.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Part::Log => "postgres-log",
            Part::Keys => "postgres-keys",
            Part::Nats => "nats",
            Part::Redis => "redis",
            Part::Typesense => "typesense",
            Part::Meilisearch => "meilisearch",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Log => "Postgres (log)",
            Part::Keys => "Postgres (keys)",
            Part::Nats => "NATS",
            Part::Redis => "Redis",
            Part::Typesense => "Typesense",
            Part::Meilisearch => "Meilisearch",
        })
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(word: &str) -> Result<Part, String> {
        Part::ALL
            .into_iter()
            .find(|part| part.name() == word)
            .ok_or_else(|| format!("`{word}` is none of log, keys, nats, redis, typesense, meilisearch"))
    }
}

/// Which servers to run. The default is all that are always needed: the search engines are
/// optional, see [`installed`](crate::installed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub log: bool,
    pub keys: bool,
    pub nats: bool,
    pub redis: bool,
    pub typesense: bool,
    pub meilisearch: bool,
}

impl Default for Parts {
    fn default() -> Parts {
        Parts { log: true, keys: true, nats: true, redis: true, ..Parts::NONE }
    }
}

impl Parts {
    pub const NONE: Parts =
        Parts { log: false, keys: false, nats: false, redis: false, typesense: false, meilisearch: false };

    /// Exactly these.
    pub fn only(parts: &[Part]) -> Parts {
        let has = |part| parts.contains(&part);
        Parts {
            log: has(Part::Log),
            keys: has(Part::Keys),
            nats: has(Part::Nats),
            redis: has(Part::Redis),
            typesense: has(Part::Typesense),
            meilisearch: has(Part::Meilisearch),
        }
    }

    pub fn contains(self, part: Part) -> bool {
        match part {
            Part::Log => self.log,
            Part::Keys => self.keys,
            Part::Nats => self.nats,
            Part::Redis => self.redis,
            Part::Typesense => self.typesense,
            Part::Meilisearch => self.meilisearch,
        }
    }

    pub fn iter(self) -> impl Iterator<Item = Part> {
        Part::ALL.into_iter().filter(move |part| self.contains(*part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keeps_what_was_named() {
        let parts = Parts::only(&[Part::Nats, Part::Log]);
        assert_eq!(parts.iter().collect::<Vec<_>>(), [Part::Log, Part::Nats]);
    }

    #[test]
    fn every_name_parses_back() {
        for part in Part::ALL {
            assert_eq!(part.name().parse(), Ok(part));
        }
        assert!("postgres".parse::<Part>().is_err());
    }
}
