//! The whole system over HTTP: real `api` processes, Postgres, key store and NATS.

mod account_map;
mod commands;
mod hostile;
mod operate;
mod people;
mod privacy;
mod processes;
mod queries;
mod statistics;
mod trending;
