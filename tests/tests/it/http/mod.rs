//! The whole system over HTTP: real `api` processes, Postgres, key store and NATS.

mod commands;
mod hostile;
mod leaving;
mod messages;
mod operate;
mod people;
mod privacy;
mod processes;
mod queries;
mod talk;
mod threads;
