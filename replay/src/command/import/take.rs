use chrono::{DateTime, Utc};
use eventstore::{
    append::{Append, Appender, AppenderConfig, EventToStore, Outcome, Write},
    cqrs::aggregate_id,
    log,
    seal::{SealJob, Sealer},
};
use kernel::{AggregateRef, Clock, Name, SystemClock};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    super::Context,
    Refused, Report, TOLD,
    convert::{event_id, metadata, time_of, to_store},
    map::PersonalMap,
    source::{Source, SourceEvent},
};
use crate::{Failure, cli::ImportArguments};

/// Events of one append.
const CHUNK: usize = 500;

struct Taking {
    pool: PgPool,
    appender: Appender,
    sealer: Option<Sealer>,
    map: PersonalMap,
    keep_metadata: bool,
    now: DateTime<Utc>,
    report: Report,
}

/// One aggregate's rows are whole: those of the next have begun.
struct Aggregate {
    name: String,
    external_id: String,
    id: Uuid,
}

pub async fn all(context: Context<'_>, arguments: &ImportArguments) -> Result<Report, Failure> {
    let map = match (&arguments.map, arguments.plain) {
        (Some(path), _) => Some(PersonalMap::read(path)?),
        (None, true) => None,
        (None, false) => {
            return Err(Failure::could_not_run(
                "name the personal fields with --map, or say with --plain that all may stay readable for ever",
            ));
        }
    };
    let mut source = Source::open(&arguments.from, &arguments.table)?;
    let sealer = match &map {
        Some(_) if !arguments.dry_run => Some(Sealer::new(context.servers.keys().await?)),
        _ => None,
    };
    let log = context.servers.log().await?;
    let stop = CancellationToken::new();
    let appender = Appender::start(log.clone(), AppenderConfig::default(), stop.clone());
    let _stop = stop.drop_guard();
    let keep_metadata = map.as_ref().is_none_or(|map| map.keep_metadata);
    let mut taking = Taking {
        pool: log.pg().clone(),
        appender,
        sealer,
        map: map.unwrap_or_default(),
        keep_metadata,
        now: SystemClock.now(),
        report: Report { dry_run: arguments.dry_run, metadata_kept: keep_metadata, ..Report::default() },
    };
    let mut gathered: Vec<SourceEvent> = Vec::new();
    loop {
        let page = source.page().await?;
        if page.is_empty() {
            break;
        }
        for event in page {
            let other = |last: &SourceEvent| {
                (&last.aggregate_type, &last.aggregate_id) != (&event.aggregate_type, &event.aggregate_id)
            };
            if gathered.last().is_some_and(other) {
                taking.aggregate(std::mem::take(&mut gathered)).await?;
            }
            gathered.push(event);
        }
        context.screen.note(&format!("{} aggregates read", taking.report.aggregates));
    }
    if !gathered.is_empty() {
        taking.aggregate(gathered).await?;
    }
    source.close().await;
    Ok(taking.report)
}

impl Taking {
    async fn aggregate(&mut self, rows: Vec<SourceEvent>) -> Result<(), Failure> {
        let Some(first) = rows.first() else { return Ok(()) };
        let (name, external_id) = (first.aggregate_type.clone(), first.aggregate_id.clone());
        // As the store for cqrs-es applications finds it.
        let id = aggregate_id(&name, &external_id);
        let aggregate = Aggregate { name, external_id, id };
        self.report.aggregates += 1;
        let there = log::load_stream(&self.pool, id, 0).await?.events;
        let known = rows.iter().zip(&there).take_while(|(row, event)| {
            event.event_id == event_id(id, row.sequence) && event.version == row.sequence
        });
        let known = known.count();
        if known < there.len() {
            let sequence = known as i64 + 1;
            self.refuse(&aggregate, sequence, "the log has other events of this aggregate".to_owned());
            return Ok(());
        }
        self.report.already_there += known as i64;
        let mut last = there.last().and_then(|event| event.metadata().ok()).map(|last| last.occurred_at);
        for chunk in rows[known..].chunks(CHUNK) {
            let Some(version) = chunk.first().map(|row| row.sequence - 1) else { break };
            let prepared = match self.prepare(&aggregate, chunk, &mut last).await? {
                Ok(prepared) => prepared,
                Err((sequence, why)) => {
                    self.refuse(&aggregate, sequence, why);
                    return Ok(());
                }
            };
            let count = prepared.len() as i64;
            if !self.report.dry_run
                && let Err(why) = self.append(&aggregate, version, prepared).await?
            {
                self.refuse(&aggregate, version + 1, why);
                return Ok(());
            }
            self.report.events += count;
        }
        Ok(())
    }

    fn refuse(&mut self, aggregate: &Aggregate, sequence: i64, why: String) {
        self.report.refused_aggregates += 1;
        if self.report.refused.len() < TOLD {
            let Aggregate { name, external_id, .. } = aggregate;
            let (aggregate_type, aggregate_id) = (name.clone(), external_id.clone());
            self.report.refused.push(Refused { aggregate_type, aggregate_id, sequence, why });
        }
    }

    /// Events with personal fields sealed; or which one cannot be stored, and why.
    async fn prepare(
        &mut self,
        aggregate: &Aggregate,
        rows: &[SourceEvent],
        last: &mut Option<DateTime<Utc>>,
    ) -> Result<Result<Vec<EventToStore>, (i64, String)>, Failure> {
        let begins = rows.first().map_or(0, |row| row.sequence);
        let (mut payloads, mut times, mut fields, mut without_time) = (Vec::new(), Vec::new(), 0, 0);
        for (row, wanted) in rows.iter().zip(begins..) {
            if row.sequence != wanted || begins < 1 {
                return Ok(Err((
                    row.sequence,
                    "its sequence has a gap, or does not begin with 1".to_owned(),
                )));
            }
            let mut payload = row.payload.clone();
            match self.map.mark(&row.event_type, aggregate.id, &mut payload) {
                Ok(marked) => fields += marked,
                Err(why) => return Ok(Err((row.sequence, why))),
            }
            let told = time_of(&row.metadata);
            without_time += i64::from(told.is_none());
            let at = told.unwrap_or(self.now).max(last.unwrap_or(DateTime::UNIX_EPOCH));
            *last = Some(at);
            payloads.push(payload);
            times.push(at);
        }
        if let Some(sealer) = &self.sealer {
            let mut jobs: Vec<SealJob<'_>> = payloads
                .iter_mut()
                .zip(rows)
                .zip(&times)
                .map(|((payload, row), at)| SealJob {
                    event_id: event_id(aggregate.id, row.sequence),
                    occurred_at: *at,
                    payload,
                })
                .collect();
            sealer.seal_all(&mut jobs).await.map_err(Failure::could_not_run)?;
        }
        let mut prepared = Vec::with_capacity(rows.len());
        for ((row, payload), at) in rows.iter().zip(payloads).zip(times) {
            let id = event_id(aggregate.id, row.sequence);
            let told = metadata(row, id, at, self.keep_metadata);
            match to_store(row, id, payload, told) {
                Ok(event) => prepared.push(event),
                Err(why) => return Ok(Err((row.sequence, why))),
            }
        }
        self.report.personal_fields += fields;
        self.report.without_time += without_time;
        Ok(Ok(prepared))
    }

    async fn append(
        &self,
        aggregate: &Aggregate,
        expected_version: i64,
        events: Vec<EventToStore>,
    ) -> Result<Result<(), String>, Failure> {
        let name = match Name::parse(aggregate.name.clone()) {
            Ok(name) => name,
            Err(error) => return Ok(Err(format!("its aggregate type: {error}"))),
        };
        let write = Write {
            aggregate: AggregateRef::new(name, aggregate.id),
            expected_version,
            events,
            external_id: Some(aggregate.external_id.clone()),
        };
        match self.appender.append(Append { writes: vec![write], ..Append::default() }).await {
            Ok(Outcome::Committed(_)) => Ok(Ok(())),
            Ok(_) => Ok(Err("somebody else writes this aggregate: stop it and import again".to_owned())),
            Err(eventstore::StoreError::Data { code }) => Ok(Err(format!("it cannot be stored ({code})"))),
            Err(error) => Err(error.into()),
        }
    }
}
