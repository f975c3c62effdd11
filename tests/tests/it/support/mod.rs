//! What the tests stand on.

mod api;
mod cluster;
mod databases;
mod nats;
mod own;
mod redis;
mod store;
pub mod worker;

pub use api::{Api, Installation, Reply, binary, node};
pub use cluster::shared;
pub use databases::{KeysEnv, LogEnv, keys_env, log_env};
pub use nats::{NatsEnv, nats_env};
pub use own::{OwnCluster, own_cluster, own_cluster_in, own_cluster_with};
pub use redis::{RedisEnv, redis_env};
pub use store::{Store, event, store, thing, write};
pub use worker::Worker;
