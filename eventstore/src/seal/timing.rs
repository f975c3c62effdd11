//! What sealing, opening and canonical forms cost. Prints only; run with
//! `cargo test --release -p eventstore -- --ignored --nocapture timing`. Counts this thread's time on
//! a processor (Linux), not the clock's, so that a busy machine does not blur it.

use std::{hint::black_box, sync::Arc, time::Duration};

use chrono::DateTime;
use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};
use kernel::{Class, Envelope};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{OpenJob, SealJob, SealedField, Sealer};
use crate::{
    canonical::{canonical, payload_hash},
    keys::{
        Erasure, FoundKey, KeyError, KeyRequest, KeyStore, MemoryKeyStore, Provision, Standing, SubjectKey,
    },
};

const ROUNDS: u32 = 2_000;
const BATCH: usize = 100;

/// Hands out one key without looking anything up, so that sealing alone is measured.
struct OneKey(SubjectKey);

impl KeyStore for OneKey {
    fn ensure<'a>(&'a self, wanted: &'a [KeyRequest]) -> BoxFuture<'a, Result<Vec<Provision>, KeyError>> {
        ready(Ok(wanted.iter().map(|_| Provision::Key(self.0.clone())).collect())).boxed()
    }
    fn open_many<'a>(&'a self, ids: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<FoundKey>, KeyError>> {
        ready(Ok(ids.iter().map(|_| FoundKey::Live(self.0.clone())).collect())).boxed()
    }
    fn erase<'a>(&'a self, _: Uuid, _: &'a [Class]) -> BoxFuture<'a, Result<Erasure, KeyError>> {
        ready(Ok(Erasure::default())).boxed()
    }
    fn hold<'a>(&'a self, _: Uuid, _: &'a [Class], _: bool) -> BoxFuture<'a, Result<u64, KeyError>> {
        ready(Ok(0)).boxed()
    }
    fn standing(&self, _: Uuid) -> BoxFuture<'_, Result<[Standing; 4], KeyError>> {
        ready(Ok([Standing::Active; 4])).boxed()
    }
    fn invalidate(&self, _: Option<Uuid>) {}
    fn keyed_hash(&self, _: &str, _: &[u8]) -> [u8; 32] {
        [0; 32]
    }
}

/// Time this thread has spent on a processor.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_once(' ').unwrap().0.parse().unwrap())
}

fn report(what: &str, since: Duration, times: u32) {
    println!("{what}: {:.0} ns", (cpu() - since).as_nanos() as f64 / f64::from(times));
}

#[tokio::test]
#[ignore = "prints timings, checks nothing"]
async fn timing() {
    let memory = MemoryKeyStore::new().unwrap();
    let request = KeyRequest { subject: Uuid::from_u128(1), class: Class::Identity, year: 2026 };
    let Ok([Provision::Key(key)]) = <[_; 1]>::try_from(memory.ensure(&[request]).await.unwrap()) else {
        panic!("no key");
    };
    let mut text = vec![1; 16];
    key.secret().unwrap().encrypt(&[1; 24], &[2; 80], &mut text).unwrap();
    let start = cpu();
    for _ in 0..ROUNDS * BATCH as u32 {
        let mut text = text.clone();
        key.secret().unwrap().decrypt(&[1; 24], &[2; 80], &mut text).unwrap();
        black_box(text);
    }
    report("the cipher alone, 16 bytes", start, ROUNDS * BATCH as u32);
    let start = cpu();
    for _ in 0..ROUNDS * BATCH as u32 {
        black_box(key.secret());
    }
    report("the look at the lease", start, ROUNDS * BATCH as u32);

    let sealer = Sealer::new(Arc::new(OneKey(key)));
    let at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let fields = ROUNDS * BATCH as u32;

    let personal =
        json!({"$personal": {"class": "identity", "subject": request.subject, "value": "Ada Lovelace"}});
    let mut payloads = Vec::new();
    let mut spent = Duration::ZERO;
    for _ in 0..ROUNDS {
        payloads = vec![json!({"title": personal}); BATCH];
        let mut jobs: Vec<SealJob<'_>> = payloads
            .iter_mut()
            .map(|payload| SealJob { event_id: Uuid::from_u128(2), occurred_at: at, payload })
            .collect();
        let start = cpu();
        sealer.seal_all(&mut jobs).await.unwrap();
        spent += cpu() - start;
    }
    println!("seal, per field: {:.0} ns", spent.as_nanos() as f64 / f64::from(fields));

    let mut spent = Duration::ZERO;
    for _ in 0..ROUNDS {
        let mut values = payloads.clone();
        let mut jobs: Vec<OpenJob<'_>> =
            values.iter_mut().map(|value| OpenJob { event: Some(Uuid::from_u128(2)), value }).collect();
        let start = cpu();
        sealer.open(&mut jobs).await.unwrap();
        spent += cpu() - start;
    }
    println!("open in a payload, per field: {:.0} ns", spent.as_nanos() as f64 / f64::from(fields));

    let texts: Vec<String> = payloads.iter().map(Value::to_string).collect();
    let start = cpu();
    for _ in 0..ROUNDS {
        let texts: Vec<_> = texts.iter().map(|text| (Some(Uuid::from_u128(2)), text.as_str())).collect();
        black_box(sealer.open_texts(&texts).await.unwrap());
    }
    report("open in a text (parse, open, print), per field", start, fields);

    let envelopes: Vec<Envelope> = payloads
        .iter()
        .map(|payload| serde_json::from_value(payload["title"]["$sealed"].clone()).unwrap())
        .collect();
    let start = cpu();
    for _ in 0..ROUNDS {
        let fields: Vec<_> = envelopes
            .iter()
            .map(|envelope| SealedField { envelope, class: Class::Identity, field_suffix: "/title" })
            .collect();
        black_box(sealer.open_fields::<String>(&fields).await.unwrap());
    }
    report("open for a query, per field", start, fields);

    let plain = json!({"kind": "garden", "title": "Gemeinschaftsgarten am Kanal", "summary": "x".repeat(200),
        "tags": ["garden", "neighbours", "vegetables"], "location": {"lat": 52.520_006_6, "lon": 13.404_954},
        "address": {"street": "Kanalstraße 12", "city": "Berlin", "zip": "12047"}, "created_by": request.subject,
        "search_visibility": "public", "limit": 1000});
    let start = cpu();
    for _ in 0..fields {
        let mut plain = [SealJob { event_id: request.subject, occurred_at: at, payload: &mut plain.clone() }];
        sealer.seal_all(black_box(&mut plain)).await.unwrap();
    }
    report("seal a payload without personal fields, clone included", start, fields);
    let start = cpu();
    for _ in 0..fields {
        black_box(plain.clone());
    }
    report("of that, the clone", start, fields);

    println!("payload of {} bytes", canonical(&plain).unwrap().len());
    let start = cpu();
    for _ in 0..fields {
        black_box(canonical(black_box(&plain)).unwrap());
    }
    report("canonical", start, fields);
    let text = canonical(&plain).unwrap();
    let start = cpu();
    for _ in 0..fields {
        black_box(payload_hash(Some(&[1; 16]), black_box(&text)));
    }
    report("payload hash", start, fields);
    let start = cpu();
    for _ in 0..fields {
        black_box(memory.keyed_hash("receipt", black_box(&text.as_bytes()[..100])));
    }
    report("keyed hash of 100 bytes", start, fields);
}
