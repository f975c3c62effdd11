use eventstore::{failure_kind, generation, grant_role, keys::migrate_keys, migrate_log};
use projections::weave::registry;
use sqlx::{PgPool, migrate::MigrateError, postgres::PgPoolOptions};

use super::{
    BootError, Progress,
    databases::check,
    places::{Database, Places, Wanted, find},
};
use crate::settings::MigrateSettings;

const LOG: &str = "DATABASE_URL";
const KEYS: &str = "KEYS_DATABASE_URL";

/// `api migrate`: everything to its current shape, then ends.
///
/// # Errors
/// [`BootError`]
pub async fn migrate_only(settings: &MigrateSettings, progress: Progress<'_>) -> Result<(), BootError> {
    let MigrateSettings { place, database, key_store } = settings;
    let places = find(Wanted { place, database, key_store, others: None }, progress).await?;
    let migrated = migrate(&places, progress).await;
    if let Some(servers) = places.servers {
        servers.shutdown().await?;
    }
    migrated
}

/// Migrates both databases as their owners, lets the application's roles in, installs the first
/// generation of every read model.
pub(super) async fn migrate(places: &Places, progress: Progress<'_>) -> Result<(), BootError> {
    check(LOG, &places.log.owner).await?;
    check(KEYS, &places.keys.owner).await?;
    progress("migrating the log and the key store");
    let keys = owner_pool(KEYS, &places.keys).await?;
    let missing = (!places.keys.owner_known).then_some("KEYS_OWNER_DATABASE_URL");
    finish(KEYS, migrate_keys(&keys).await, missing)?;
    grant(&keys, "weltgewebe_keys_runtime", &places.keys).await;
    keys.close().await;

    let log = owner_pool(LOG, &places.log).await?;
    let missing = (!places.log.owner_known).then_some("OWNER_DATABASE_URL");
    finish(LOG, migrate_log(&log).await, missing)?;
    grant(&log, "weltgewebe_runtime", &places.log).await;
    match generation::install(&log, &registry()).await {
        Ok(installed) => {
            for name in installed.created {
                progress(&format!("installed the read model {name}"));
            }
            for name in installed.outdated {
                tracing::warn!(name, "the read model has another shape: run `replay rebuild` for it");
            }
        }
        // Whoever runs without the owner's rights relies on `api migrate`, which installs them.
        Err(error) if missing.is_some() => {
            tracing::warn!(%error, "read models were not installed by this user");
        }
        Err(error) => return Err(error.into()),
    }
    log.close().await;
    Ok(())
}

async fn owner_pool(name: &'static str, database: &Database) -> Result<PgPool, BootError> {
    let pool = PgPoolOptions::new().max_connections(2).connect_with(database.owner.clone()).await;
    pool.map_err(|error| BootError::unreachable(name, &error))
}

/// An application user that may not migrate goes on when the owner's URL is not known here: then
/// `api migrate` has been run elsewhere, or the next step says what is missing.
fn finish(
    name: &'static str,
    migrated: Result<(), MigrateError>,
    missing: Option<&'static str>,
) -> Result<(), BootError> {
    let Err(error) = migrated else { return Ok(()) };
    match BootError::migration(name, &error, missing) {
        BootError::NotOwner { name, owner } => {
            tracing::warn!(name, owner, "not migrated: this user is not the owner");
            Ok(())
        }
        error => Err(error),
    }
}

/// Membership may also have been given by an administrator; then this need not succeed.
async fn grant(owner: &PgPool, group: &'static str, database: &Database) {
    let Some(login) = database.login_to_grant() else { return };
    if let Err(error) = grant_role(owner, group, login).await {
        tracing::warn!(group, login, kind = failure_kind(&error), "could not grant the role");
    }
}
