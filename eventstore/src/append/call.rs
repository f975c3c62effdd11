use std::{collections::HashMap, time::Duration};

use kernel::Position;
use serde::Deserialize;
use sqlx::{
    Encode, PgConnection, Postgres,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo},
};
use uuid::Uuid;

use super::{Append, Committed, Outcome, ReactorStep, Reservation, StoredReceipt};

/// One refused request as `append_batch` reports it.
#[derive(Deserialize)]
struct Refused {
    req: usize,
    why: Why,
    aggregate_id: Option<Uuid>,
    actual: Option<i64>,
    scope: Option<String>,
    retry_after_ms: Option<u64>,
    first_version: Option<i64>,
    event_count: Option<i32>,
    position: Option<Position>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Why {
    Conflict,
    StaleAssert,
    Taken,
    OverLimit,
    Replayed,
    KeyReused,
    StaleReactor,
}

impl Refused {
    fn outcome(self) -> Outcome {
        let aggregate_id = self.aggregate_id.unwrap_or_default();
        let actual = self.actual.unwrap_or_default();
        let scope = self.scope.unwrap_or_default();
        match self.why {
            Why::Conflict => Outcome::Conflict { aggregate_id, actual },
            Why::StaleAssert => Outcome::StaleAssert { aggregate_id, actual },
            Why::Taken => Outcome::Taken { scope },
            Why::OverLimit => {
                Outcome::OverLimit { scope, retry_after: self.retry_after_ms.map(Duration::from_millis) }
            }
            Why::StaleReactor => Outcome::StaleReactor,
            Why::Replayed => Outcome::Replayed(StoredReceipt {
                aggregate_id,
                first_version: self.first_version.unwrap_or_default(),
                event_count: self.event_count.unwrap_or_default(),
                position: self.position,
            }),
            Why::KeyReused => Outcome::KeyReused,
        }
    }
}

/// The arrays of one call. Borrowed from the requests: nothing is copied but ids and numbers.
#[derive(Default)]
struct Arrays<'a> {
    k: Vec<ReceiptRow<'a>>,
    r: Vec<ReservationRow<'a>>,
    c: Vec<(i32, &'a ReactorStep)>,
    s: Vec<StreamRow<'a>>,
    u_req: Vec<i32>,
    u_stream: Vec<i32>,
    e_req: Vec<i32>,
    e_id: Vec<Uuid>,
    e_aggregate: Vec<Uuid>,
    e_aggregate_type: Vec<&'a str>,
    e_version: Vec<i64>,
    e_type: Vec<&'a str>,
    e_schema: Vec<i32>,
    e_payload: Vec<JsonText<'a>>,
    e_metadata: Vec<JsonText<'a>>,
    e_salt: Vec<&'a [u8]>,
    e_hash: Vec<&'a [u8]>,
}

/// JSON that is text already, sent as jsonb: the server parses it while it reads the parameters,
/// before it locks anything, instead of under the lock of the head.
struct JsonText<'a>(&'a str);

impl sqlx::Type<Postgres> for JsonText<'_> {
    fn type_info() -> PgTypeInfo {
        <serde_json::Value as sqlx::Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for JsonText<'_> {
    fn array_type_info() -> PgTypeInfo {
        <sqlx::types::Json<()> as PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for JsonText<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        // Version 1 of the binary format of jsonb: the text behind one byte.
        buffer.push(1);
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

struct ReceiptRow<'a> {
    req: i32,
    receipt: &'a super::Receipt,
    event_count: i32,
}

struct ReservationRow<'a> {
    req: i32,
    reservation: &'a Reservation,
    lock: i64,
}

struct StreamRow<'a> {
    req: i32,
    id: Uuid,
    aggregate_type: &'a str,
    expected: i64,
    count: i32,
    offset: i32,
    external: Option<&'a str>,
    users: Vec<i32>,
}

impl<'a> Arrays<'a> {
    fn of(requests: &[&'a Append]) -> Self {
        let mut arrays = Self::default();
        let mut asserted: HashMap<Uuid, usize> = HashMap::new();
        for (index, append) in requests.iter().enumerate() {
            let req = index as i32 + 1;
            let before = arrays.e_id.len();
            for write in &append.writes {
                let aggregate_type = write.aggregate.aggregate_type.as_str();
                let id = write.aggregate.aggregate_id;
                arrays.s.push(StreamRow {
                    req,
                    id,
                    aggregate_type,
                    expected: write.expected_version,
                    count: write.events.len() as i32,
                    offset: arrays.e_id.len() as i32,
                    external: write.external_id.as_deref(),
                    users: vec![req],
                });
                for (version, event) in (write.expected_version + 1..).zip(&write.events) {
                    arrays.e_req.push(req);
                    arrays.e_id.push(event.event_id);
                    arrays.e_aggregate.push(id);
                    arrays.e_aggregate_type.push(aggregate_type);
                    arrays.e_version.push(version);
                    arrays.e_type.push(event.event_type.as_str());
                    arrays.e_schema.push(event.schema_version);
                    arrays.e_payload.push(JsonText(&event.payload));
                    arrays.e_metadata.push(JsonText(&event.metadata));
                    arrays.e_salt.push(&event.salt);
                    arrays.e_hash.push(&event.payload_hash);
                }
            }
            for assert in &append.asserts {
                let at = *asserted.entry(assert.aggregate.aggregate_id).or_insert_with(|| {
                    arrays.s.push(StreamRow {
                        req: 0,
                        id: assert.aggregate.aggregate_id,
                        aggregate_type: assert.aggregate.aggregate_type.as_str(),
                        expected: assert.version,
                        count: 0,
                        offset: 0,
                        external: None,
                        users: vec![],
                    });
                    arrays.s.len() - 1
                });
                arrays.s[at].users.push(req);
            }
            arrays.r.extend(append.reservations.iter().map(|reservation| {
                let [a, b, c, d, e, f, g, h, ..] = *reservation.hash();
                ReservationRow { req, reservation, lock: i64::from_be_bytes([a, b, c, d, e, f, g, h]) }
            }));
            arrays.c.extend(append.reactor.iter().map(|step| (req, step)));
            if let Some(receipt) = &append.receipt {
                let event_count = (arrays.e_id.len() - before) as i32;
                arrays.k.push(ReceiptRow { req, receipt, event_count });
            }
        }
        // Every process takes its locks in these orders; that is why there are no deadlocks.
        arrays.k.sort_unstable_by_key(|row| row.receipt.key_hash);
        arrays.r.sort_unstable_by_key(|row| row.lock);
        arrays.c.sort_unstable_by_key(|(_, step)| step.reactor);
        arrays.s.sort_unstable_by_key(|row| row.id);
        for (index, stream) in arrays.s.iter().enumerate() {
            for user in &stream.users {
                arrays.u_req.push(*user);
                arrays.u_stream.push(index as i32 + 1);
            }
        }
        arrays
    }
}

/// Sends one batch. The verdicts come in the order of the requests.
pub(super) async fn append_batch(
    connection: &mut PgConnection,
    epoch: i32,
    requests: &[&Append],
) -> Result<Vec<Outcome>, sqlx::Error> {
    let a = Arrays::of(requests);
    let k_hash: Vec<&[u8]> = a.k.iter().map(|row| &row.receipt.key_hash[..]).collect();
    let k_fingerprint: Vec<&[u8]> = a.k.iter().map(|row| &row.receipt.fingerprint[..]).collect();
    let r_hash: Vec<&[u8]> = a.r.iter().map(|row| &row.reservation.hash()[..]).collect();
    let s_type: Vec<&str> = a.s.iter().map(|row| row.aggregate_type).collect();
    let s_external: Vec<Option<&str>> = a.s.iter().map(|row| row.external).collect();
    let r = a.r.iter().map(|row| ReservationColumns::of(row.reservation)).collect::<Vec<_>>();
    let r_scope: Vec<&str> = r.iter().map(|row| row.scope).collect();

    let c_name: Vec<&str> = a.c.iter().map(|(_, step)| step.reactor).collect();
    let c_from: Vec<&str> = a.c.iter().map(|(_, step)| step.from.cursor.as_str()).collect();
    let c_to: Vec<&str> = a.c.iter().map(|(_, step)| step.to.cursor.as_str()).collect();

    let row = sqlx::query_file!(
        "src/append/sql/append_batch.sql",
        epoch,
        &a.k.iter().map(|row| row.req).collect::<Vec<_>>(),
        k_hash as _,
        k_fingerprint as _,
        &a.k.iter().map(|row| row.receipt.aggregate_id).collect::<Vec<_>>(),
        &a.k.iter().map(|row| row.receipt.first_version).collect::<Vec<_>>(),
        &a.k.iter().map(|row| row.event_count).collect::<Vec<_>>(),
        a.k.iter().map(|row| row.receipt.position).collect::<Vec<_>>() as _,
        &a.r.iter().map(|row| row.req).collect::<Vec<_>>(),
        &r.iter().map(|row| row.op).collect::<Vec<_>>(),
        r_scope as _,
        r_hash as _,
        &a.r.iter().map(|row| row.lock).collect::<Vec<_>>(),
        &r.iter().map(|row| row.owner).collect::<Vec<_>>(),
        &r.iter().map(|row| row.delta).collect::<Vec<_>>(),
        r.iter().map(|row| row.limit).collect::<Vec<_>>() as _,
        r.iter().map(|row| row.window_ms).collect::<Vec<_>>() as _,
        &a.c.iter().map(|(req, _)| *req).collect::<Vec<_>>(),
        c_name as _,
        &a.c.iter().map(|(_, step)| step.from.position).collect::<Vec<_>>(),
        c_from as _,
        &a.c.iter().map(|(_, step)| step.to.position).collect::<Vec<_>>(),
        c_to as _,
        &a.s.iter().map(|row| row.req).collect::<Vec<_>>(),
        &a.s.iter().map(|row| row.id).collect::<Vec<_>>(),
        s_type as _,
        &a.s.iter().map(|row| row.expected).collect::<Vec<_>>(),
        &a.s.iter().map(|row| row.count).collect::<Vec<_>>(),
        &a.s.iter().map(|row| row.offset).collect::<Vec<_>>(),
        s_external as _,
        &a.u_req,
        &a.u_stream,
        &a.e_req,
        &a.e_id,
        &a.e_aggregate,
        a.e_aggregate_type as _,
        &a.e_version,
        a.e_type as _,
        &a.e_schema,
        a.e_payload as _,
        a.e_metadata as _,
        a.e_salt as _,
        a.e_hash as _,
    )
    .fetch_one(connection)
    .await?;

    verdicts(requests, epoch, row.first_position, row.refused)
}

fn verdicts(
    requests: &[&Append],
    epoch: i32,
    first_position: Position,
    refused: serde_json::Value,
) -> Result<Vec<Outcome>, sqlx::Error> {
    let refused: Vec<Refused> =
        serde_json::from_value(refused).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let mut reasons: HashMap<usize, Outcome> = HashMap::new();
    for line in refused {
        // The first reason counts: a repeated key before a taken name before a moved version.
        reasons.entry(line.req).or_insert_with(|| line.outcome());
    }
    let mut next = first_position;
    Ok(requests
        .iter()
        .enumerate()
        .map(|(index, append)| {
            reasons.remove(&(index + 1)).unwrap_or_else(|| {
                let events = append.writes.iter().map(|write| write.events.len() as i64).sum::<i64>();
                let first = next;
                next += events;
                Outcome::Committed(Committed { epoch, first_position: first, last_position: next - 1 })
            })
        })
        .collect())
}

struct ReservationColumns {
    op: i32,
    scope: &'static str,
    owner: Uuid,
    delta: i64,
    limit: Option<i64>,
    window_ms: Option<i64>,
}

impl ReservationColumns {
    fn of(reservation: &Reservation) -> Self {
        let none = |op, scope, owner| Self { op, scope, owner, delta: 1, limit: None, window_ms: None };
        match reservation {
            Reservation::Take { scope, owner, .. } => none(1, scope, *owner),
            Reservation::Release { scope, owner, .. } => none(2, scope, *owner),
            Reservation::Count { scope, owner, delta, limit, window, .. } => Self {
                op: 3,
                scope,
                owner: *owner,
                delta: *delta,
                limit: *limit,
                window_ms: window.map(|window| window.as_millis() as i64),
            },
        }
    }
}
