use std::{
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
};

use eventstore::{LogPool, connect_log};
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::OnceCell;

use super::shared;

/// A log of one's own: freshly migrated, empty.
pub struct LogEnv {
    /// As the owner: for what only a migration or an attacker with rights would do.
    pub owner_pool: PgPool,
    pub owner_options: PgConnectOptions,
    /// As the application's role.
    pub options: PgConnectOptions,
    pub log: LogPool,
}

/// A key store of one's own.
pub struct KeysEnv {
    pub owner_pool: PgPool,
    pub keys_owner_pool: PgPool,
    pub keys_database_url: String,
    pub keys_owner_database_url: String,
}

fn next_name(kind: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{kind}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn small_pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(4).connect_lazy_with(options)
}

async fn admin(url: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(url).unwrap().database("postgres");
    PgConnection::connect_with(&options).await.unwrap()
}

async fn create_from(url: &str, template: &str, kind: &str) -> String {
    let name = next_name(kind);
    let mut connection = admin(url).await;
    sqlx::query(&format!("create database {name} template {template}"))
        .execute(&mut connection)
        .await
        .unwrap();
    name
}

pub async fn log_env() -> LogEnv {
    static TEMPLATE: OnceCell<()> = OnceCell::const_new();
    let endpoints = shared();
    let owner = PgConnectOptions::from_str(&endpoints.owner_database_url).unwrap();
    TEMPLATE
        .get_or_init(|| async {
            let mut connection = admin(&endpoints.owner_database_url).await;
            sqlx::query("create database log_template").execute(&mut connection).await.unwrap();
            let pool = small_pool(owner.clone().database("log_template")).await;
            eventstore::migrate_log(&pool).await.unwrap();
            eventstore::grant_role(&pool, "weltgewebe_runtime", "weltgewebe_app").await.unwrap();
            pool.close().await;
        })
        .await;
    let name = create_from(&endpoints.owner_database_url, "log_template", "log").await;
    let owner_options = owner.database(&name);
    let options = PgConnectOptions::from_str(&endpoints.database_url).unwrap().database(&name);
    let log = connect_log(options.clone(), 8).await.unwrap();
    LogEnv { owner_pool: small_pool(owner_options.clone()).await, owner_options, options, log }
}

pub async fn keys_env() -> KeysEnv {
    static TEMPLATE: OnceCell<()> = OnceCell::const_new();
    let endpoints = shared();
    let owner = PgConnectOptions::from_str(&endpoints.keys_owner_database_url).unwrap();
    TEMPLATE
        .get_or_init(|| async {
            let mut connection = admin(&endpoints.keys_owner_database_url).await;
            sqlx::query("create database keys_template").execute(&mut connection).await.unwrap();
            let pool = small_pool(owner.clone().database("keys_template")).await;
            eventstore::keys::migrate_keys(&pool).await.unwrap();
            eventstore::grant_role(&pool, "weltgewebe_keys_runtime", "weltgewebe_keys").await.unwrap();
            pool.close().await;
        })
        .await;
    let name = create_from(&endpoints.keys_owner_database_url, "keys_template", "keys").await;
    let pool = small_pool(owner.database(&name)).await;
    let (owner_base, _) = endpoints.keys_owner_database_url.rsplit_once('/').unwrap();
    let (base, _) = endpoints.keys_database_url.rsplit_once('/').unwrap();
    KeysEnv {
        owner_pool: pool.clone(),
        keys_owner_pool: pool,
        keys_database_url: format!("{base}/{name}"),
        keys_owner_database_url: format!("{owner_base}/{name}"),
    }
}
