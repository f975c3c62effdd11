//! The key store: one key per (person, class of data, year), and the keyed hashes.
//!
//! Forgetting a person means destroying keys, so keys live in a database of their own
//! (`KEYS_DATABASE_URL`), never in the log's tables, WAL or backups, and are wrapped there by a
//! key-encryption key that is in no database at all.
//!
//! - [`KeyStore`]: what the sealer, the executor and the forget workflow ask for;
//! - [`PgKeyStore`]: keeps it in Postgres; [`MemoryKeyStore`]: forgets it on exit, for tests;
//! - [`KeyEncryption`], [`Kek`]: wraps and unwraps, from `KEK` or `KEK_FILE`;
//! - [`KekRing`], [`Rotation`]: that key's exchange while everything runs;
//! - [`ErasureListener`]: what a process does when it learns of an erasure;
//! - [`SubjectKey`]: a key under a lease of at most [`MAX_LEASE`].

mod batcher;
mod cache;
mod error;
mod kek;
mod kek_file;
mod keyed_hash;
mod loader;
mod memory;
mod migrate;
mod postgres;
mod readers;
mod ring;
mod rotate;
mod secret;
mod store;

pub use error::KeyError;
pub use kek::{Kek, KeyEncryption};
pub use keyed_hash::KeyedHasher;
pub use memory::MemoryKeyStore;
pub use migrate::migrate_keys;
pub use postgres::{PgKeyStore, PgKeyStoreOptions};
pub use readers::ErasureListener;
pub use ring::KekRing;
pub use rotate::{KekCount, Rotated, Rotation, kek_counts};
pub use secret::{MAX_LEASE, NONCE_LEN, NotAuthentic, Secret, SubjectKey};
pub use store::{Erasure, FoundKey, KeyRequest, KeyStore, Provision, Standing, year_of};
