use std::{path::Path, str::FromStr};

use embedded::{Cluster, Parts, Settings};
use eventstore::connect_log;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tempfile::TempDir;

use super::LogEnv;

/// A log on a Postgres of its own, for tests that kill or reconfigure the server.
pub struct OwnCluster {
    pub env: LogEnv,
    pub cluster: Cluster,
    pub folder: TempDir,
}

pub async fn own_cluster() -> OwnCluster {
    own_cluster_with(&[]).await
}

pub async fn own_cluster_with(settings_lines: &[(&str, &str)]) -> OwnCluster {
    own_cluster_in(&std::env::temp_dir(), settings_lines).await
}

/// The same below a folder of the test's choice.
pub async fn own_cluster_in(parent: &Path, settings_lines: &[(&str, &str)]) -> OwnCluster {
    let folder = tempfile::Builder::new().prefix("wg-it-own-").tempdir_in(parent).unwrap();
    let mut settings = Settings::for_tests(folder.path());
    settings.parts = Parts { log: true, ..Parts::NONE };
    for (name, value) in settings_lines {
        settings.tuning.log_settings.push(((*name).into(), (*value).into()));
    }
    let cluster = Cluster::start(settings, &|_| {}).await.unwrap();
    let owner_options = PgConnectOptions::from_str(&cluster.endpoints().owner_database_url).unwrap();
    let options = PgConnectOptions::from_str(&cluster.endpoints().database_url).unwrap();
    let owner_pool = PgPoolOptions::new().max_connections(4).connect_lazy_with(owner_options.clone());
    eventstore::migrate_log(&owner_pool).await.unwrap();
    eventstore::grant_role(&owner_pool, "weltgewebe_runtime", "weltgewebe_app").await.unwrap();
    let log = connect_log(options.clone(), 4).await.unwrap();
    OwnCluster { env: LogEnv { owner_pool, owner_options, options, log }, cluster, folder }
}
