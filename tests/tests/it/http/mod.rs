//! The whole system over HTTP: real `api` processes, Postgres, key store and NATS.

mod commands;
mod hostile;
mod operate;
mod people;
mod privacy;
mod processes;
mod queries;
mod relevance;
mod search;
