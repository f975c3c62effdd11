use std::path::Path;

use embedded::{Cluster, Handle, Lifetime, NatsUser, Part, Parts, Settings};

use crate::{Failure, cli::Common, terminal::Screen};

/// What a command needs besides the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Need {
    pub nats: Wanted,
    pub keys: bool,
    pub redis: Wanted,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wanted {
    #[default]
    No,
    /// Used when it is there; its absence is part of the answer.
    IfThere,
    Yes,
}

impl Need {
    pub const LOG: Self = Self { nats: Wanted::No, keys: false, redis: Wanted::No };
    pub const LOG_AND_KEYS: Self = Self { keys: true, ..Self::LOG };
    pub const LOG_AND_STREAM: Self = Self { nats: Wanted::Yes, ..Self::LOG };
    pub const STREAM_IF_THERE: Self = Self { nats: Wanted::IfThere, ..Self::LOG };
    pub const REDIS_IF_THERE: Self = Self { redis: Wanted::IfThere, ..Self::LOG };
    pub const ALL_AND_KEYS: Self = Self { keys: true, ..Self::ALL_IF_THERE };
    pub const ALL_IF_THERE: Self = Self { redis: Wanted::IfThere, ..Self::STREAM_IF_THERE };

    fn can_do_without(self, part: Part) -> bool {
        match part {
            Part::Nats => self.nats == Wanted::IfThere,
            Part::Redis => self.redis == Wanted::IfThere,
            _ => false,
        }
    }
}

/// Where everything is, and what we started for it.
pub struct Place {
    pub database: String,
    pub owner: String,
    pub keys: Option<String>,
    pub keys_owner: Option<String>,
    pub nats: Option<String>,
    pub redis: Option<String>,
    /// The stream's server is a private one: small defaults.
    pub private_nats: bool,
    pub handle: Option<Handle>,
}

/// URLs where they are given, private servers for the rest.
pub async fn find(common: &Common, need: Need, screen: &Screen) -> Result<Place, Failure> {
    let url = |given: &Option<crate::cli::SecretUrl>| given.as_ref().map(|url| url.expose().to_owned());
    let mut place = Place {
        database: url(&common.database_url).unwrap_or_default(),
        owner: url(&common.owner_database_url).or(url(&common.database_url)).unwrap_or_default(),
        keys: url(&common.keys_database_url),
        keys_owner: url(&common.keys_owner_database_url),
        nats: url(&common.nats_relay_url).or(url(&common.nats_url)),
        redis: url(&common.redis_url),
        private_nats: false,
        handle: None,
    };
    let mut missing = Vec::new();
    if place.database.is_empty() {
        missing.push(Part::Log);
    }
    if need.keys && place.keys.is_none() {
        missing.push(Part::Keys);
    }
    if need.nats != Wanted::No && place.nats.is_none() {
        missing.push(Part::Nats);
    }
    if need.redis != Wanted::No && place.redis.is_none() {
        missing.push(Part::Redis);
    }
    if missing.is_empty() {
        return Ok(place);
    }
    let only_optional = missing.iter().all(|part| need.can_do_without(*part));
    if !has_run(&common.data_dir) {
        if only_optional {
            return Ok(place);
        }
        return Err(nothing_there(&missing, &common.data_dir));
    }
    let handle = match start_or_attach(common, &missing, screen).await {
        Ok(handle) => handle,
        Err(_) if only_optional => return Ok(place),
        // Without a NATS or Redis that works, the rest still tells most of what there is to know.
        Err(error) if missing.iter().any(|part| need.can_do_without(*part)) => {
            screen.note(error.sentence());
            missing.retain(|part| !need.can_do_without(*part));
            start_or_attach(common, &missing, screen).await?
        }
        Err(error) => return Err(error),
    };
    let endpoints = handle.endpoints();
    if missing.contains(&Part::Log) {
        place.database = endpoints.database_url.clone();
        if common.owner_database_url.is_none() {
            place.owner = endpoints.owner_database_url.clone();
        }
    }
    if missing.contains(&Part::Keys) {
        place.keys = Some(endpoints.keys_database_url.clone());
        place.keys_owner.get_or_insert_with(|| endpoints.keys_owner_database_url.clone());
    }
    if missing.contains(&Part::Nats) {
        place.nats = Some(endpoints.nats.url_for(NatsUser::Admin));
        place.private_nats = true;
    }
    if missing.contains(&Part::Redis) {
        place.redis = Some(endpoints.redis_url.clone());
    }
    place.handle = Some(handle);
    Ok(place)
}

/// Private servers have run in this folder before. Without this a typing mistake in DATA_DIR would
/// create an empty log and tell that all is well with it.
fn has_run(data_dir: &Path) -> bool {
    data_dir.join("lock").exists()
}

fn nothing_there(missing: &[Part], data_dir: &Path) -> Failure {
    let variable = match missing.first() {
        Some(Part::Keys) => "KEYS_DATABASE_URL",
        Some(Part::Nats) => "NATS_URL",
        _ => "DATABASE_URL",
    };
    Failure::could_not_run(format!(
        "there are no private servers in {}: set {variable}, or DATA_DIR to the folder that `api` uses",
        data_dir.display()
    ))
}

async fn start_or_attach(common: &Common, missing: &[Part], screen: &Screen) -> Result<Handle, Failure> {
    let mut settings = Settings::new(&common.data_dir);
    settings.parts = Parts::only(missing);
    settings.lifetime = Lifetime::Owned;
    let said = |line: &str| screen.note(line);
    Ok(Cluster::start_or_attach(settings, &said).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_says_what_to_set() {
        let failure = nothing_there(&[Part::Nats], Path::new("/srv/x"));
        assert_eq!(failure.exit_code(), 2);
        assert_eq!(
            failure.sentence(),
            "there are no private servers in /srv/x: set NATS_URL, or DATA_DIR to the folder that `api` uses"
        );
    }
}
