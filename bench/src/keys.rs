//! Exchanging the key-encryption key of a million subject keys: every one is wrapped again.

use std::time::Instant;

use anyhow::ensure;
use embedded::Part;
use eventstore::keys::{self, KekRing, KeyRequest, KeyStore, PgKeyStore, PgKeyStoreOptions, Rotation};
use kernel::Class;
use uuid::Uuid;

use crate::{arguments::Arguments, encrypted::keys_owner, progress::Progress, report::Run, servers::Servers};

/// Keys made by one call.
const AT_ONCE: usize = 10_000;

/// # Errors
/// A server is missing, or a key is under another key-encryption key afterwards.
pub async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Run>> {
    let count = if arguments.short { 20_000 } else { 1_000_000 };
    let servers = Servers::start(arguments, &[Part::Keys]).await?;
    let owner = keys_owner(&servers).await?;
    keys::migrate_keys(&owner).await?;
    let file = servers.data_dir().join("bench-kek");
    let ring = KekRing::load(None, &file)?;
    let store = PgKeyStore::connect(owner.clone(), ring, PgKeyStoreOptions::default()).await?;
    let making = Progress::many("keys", count as u64);
    let began = Instant::now();
    let mut made = 0;
    while made < count {
        let wanted: Vec<KeyRequest> = (0..AT_ONCE.min(count - made))
            .map(|_| KeyRequest { subject: Uuid::now_v7(), class: Class::Identity, year: 2026 })
            .collect();
        store.ensure(&wanted).await?;
        // They are not used again here; a million of them in memory are.
        store.invalidate(None);
        made += wanted.len();
        making.advance(wanted.len() as u64);
    }
    let made_per_second = count as f64 / began.elapsed().as_secs_f64();
    drop(making);
    let wrapping = Progress::many("wrapping", count as u64);
    let seen = std::sync::atomic::AtomicU64::new(0);
    let tell = |wrapped: u64| {
        let before = seen.swap(wrapped, std::sync::atomic::Ordering::Relaxed);
        wrapping.advance(wrapped.saturating_sub(before));
    };
    let began = Instant::now();
    let rotated = Rotation::new(owner.clone(), file).run(true, &tell).await?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(rotated.wrapped >= count as u64, "{} of {count} keys were wrapped again", rotated.wrapped);
    let counts = keys::kek_counts(&owner).await?;
    ensure!(counts.iter().all(|one| one.holds), "keys under the old one are left: {counts:?}");
    store.leave().await?;
    owner.close().await;
    servers.stop().await?;
    Ok(vec![
        Run::new("keys/made", made_per_second, "keys/s"),
        Run::new("keys/wrapped-again", count as f64 / seconds, "keys/s"),
        Run::new("keys/whole-exchange", seconds, "s"),
    ])
}
