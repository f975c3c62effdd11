//! Every integration test, on real servers, in one binary.
//!
//! `support` starts one private Postgres pair for the whole run; each test gets a database of its
//! own, copied from a migrated template, and a NATS server of its own where it needs one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alerts;
mod append;
mod append_only;
mod audit;
mod backup;
mod caches;
mod cqrs;
mod documents;
mod drill;
mod edges;
mod failover;
mod faults;
mod forget;
mod generation;
mod hot_views;
mod http;
mod jobs;
mod keys;
mod live;
mod load_profile;
mod order;
mod partitions;
mod pgbouncer;
mod plans;
mod private_servers;
mod readme;
mod relay;
mod release;
mod replay_cli;
mod replica;
mod runbooks;
mod search;
mod sentinel;
mod stream;
mod subscription;
mod support;
