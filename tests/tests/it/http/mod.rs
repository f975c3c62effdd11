//! The whole system over HTTP: real `api` processes, Postgres, key store and NATS.

mod account_map;
mod commands;
mod hostile;
mod leaving;
mod messages;
mod operate;
mod outsider;
mod people;
mod privacy;
mod processes;
mod queries;
pub mod relevance;
mod search;
mod slow;
mod spelling;
mod statistics;
mod swaps;
mod talk;
mod threads;
mod trending;
