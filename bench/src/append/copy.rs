use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use bytes::{BufMut, BytesMut};
use chrono::{TimeZone, Utc};
use sqlx::{PgPool, postgres::PgPoolCopyExt};
use uuid::Uuid;

use super::{
    aggregates::{Aggregates, Known},
    payload::{self, PlaceNoted},
};
use crate::load::Caller;

/// Rows of one COPY, which is one transaction.
const ROWS: i64 = 5_000;

/// Two streams keep both cores busy; a third makes nothing faster.
const STREAMS: usize = 2;

const COLUMNS: i16 = 12;
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Binary COPY into a table with the columns and indexes of a partition: the most events this
/// server can take in, without any check.
pub struct Copy {
    pool: PgPool,
    position: Arc<AtomicI64>,
    payloads: Arc<[PlaceNoted]>,
    ids: Arc<[Uuid]>,
}

impl Copy {
    pub async fn prepare(owner: &PgPool, aggregates: &Aggregates) -> anyhow::Result<Self> {
        let (partition,): (String,) =
            sqlx::query_as("select name from log_partitions order by from_position limit 1")
                .fetch_one(owner)
                .await?;
        // With its keys and indexes; without the range, which another table does not have.
        sqlx::raw_sql(&format!(
            "create table copy_limit (like {partition} including all excluding constraints)"
        ))
        .execute(owner)
        .await?;
        let options = (*owner.connect_options()).clone();
        Ok(Self {
            pool: crate::servers::pool(options, STREAMS as u32).await?,
            position: Arc::default(),
            payloads: payload::payloads().into(),
            ids: aggregates.all().iter().map(|known: &Known| known.id).collect(),
        })
    }

    pub fn callers(&self) -> Vec<CopyCaller> {
        let caller = |_| CopyCaller {
            pool: self.pool.clone(),
            position: Arc::clone(&self.position),
            payloads: Arc::clone(&self.payloads),
            ids: Arc::clone(&self.ids),
            buffer: BytesMut::new(),
        };
        (0..STREAMS).map(caller).collect()
    }
}

pub struct CopyCaller {
    pool: PgPool,
    position: Arc<AtomicI64>,
    payloads: Arc<[PlaceNoted]>,
    ids: Arc<[Uuid]>,
    buffer: BytesMut,
}

impl Caller for CopyCaller {
    async fn call(&mut self) -> anyhow::Result<u64> {
        let first = self.position.fetch_add(ROWS, Ordering::Relaxed) + 1;
        self.render(first)?;
        let mut copy = self.pool.copy_in_raw("copy copy_limit from stdin (format binary)").await?;
        copy.send(&self.buffer[..]).await?;
        Ok(copy.finish().await?)
    }
}

impl CopyCaller {
    fn render(&mut self, first: i64) -> anyhow::Result<()> {
        let metadata = serde_json::to_string(&payload::metadata(Uuid::nil()))?;
        let epoch = Utc.timestamp_opt(946_684_800, 0).single().unwrap_or_default();
        let recorded_at = (Utc::now() - epoch).num_microseconds().unwrap_or_default();
        let buffer = &mut self.buffer;
        buffer.clear();
        buffer.put_slice(SIGNATURE);
        buffer.put_i32(0);
        buffer.put_i32(0);
        for position in first..first + ROWS {
            let place = serde_json::to_string(&self.payloads[position as usize % self.payloads.len()])?;
            let id = self.ids[position as usize % self.ids.len()];
            buffer.put_i16(COLUMNS);
            field(buffer, &position.to_be_bytes());
            // Unique per aggregate, as versions are.
            field(buffer, &position.to_be_bytes());
            field(buffer, &recorded_at.to_be_bytes());
            field(buffer, Uuid::now_v7().as_bytes());
            field(buffer, id.as_bytes());
            field(buffer, &1i32.to_be_bytes());
            field(buffer, payload::AGGREGATE_TYPE.as_bytes());
            field(buffer, payload::EVENT_TYPE.as_bytes());
            jsonb(buffer, place.as_bytes());
            jsonb(buffer, metadata.as_bytes());
            field(buffer, id.as_bytes());
            field(buffer, &[0; 32]);
        }
        buffer.put_i16(-1);
        Ok(())
    }
}

fn field(buffer: &mut BytesMut, value: &[u8]) {
    buffer.put_i32(value.len() as i32);
    buffer.put_slice(value);
}

/// Binary jsonb is a version byte and text.
fn jsonb(buffer: &mut BytesMut, text: &[u8]) {
    buffer.put_i32(text.len() as i32 + 1);
    buffer.put_u8(1);
    buffer.put_slice(text);
}
