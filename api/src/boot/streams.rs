use std::{collections::HashMap, sync::Arc};

use eventstore::{
    LogPool,
    stream::{Contexts, StreamClient, StreamConfig, epoch_start},
};

use super::{BootError, places::Places};
use crate::settings::StreamSettings;

/// The stream's policies by these settings.
pub(super) fn config(settings: &StreamSettings, private: bool, epoch: i32) -> StreamConfig {
    let base = if private { StreamConfig::embedded(epoch) } else { StreamConfig::production(epoch) };
    StreamConfig {
        replicas: settings.stream_replicas,
        max_age: settings.stream_max_age.0,
        max_bytes: settings
            .stream_max_bytes
            .map_or(base.max_bytes, |bytes| i64::try_from(bytes.0).unwrap_or(i64::MAX)),
        duplicate_window: settings.stream_dedupe.map_or(base.duplicate_window, |span| span.0),
        ..base
    }
}

/// Connects as the relay and makes sure the stream is there.
pub(super) async fn for_relay(
    places: &Places,
    settings: &StreamSettings,
    log: &LogPool,
) -> Result<StreamClient, BootError> {
    let config = config(settings, places.private_nats, log.epoch());
    let first = epoch_start(log.pg(), log.epoch()).await?;
    let url = places.nats.1.expose();
    let client = StreamClient::connect(url, settings.nats_creds.as_deref(), config).await?;
    let ensured = client.ensure(first).await?;
    tracing::info!(stream = client.name(), ?ensured, "the stream is as it should be");
    Ok(client)
}

/// Connects as the application: reads only.
pub(super) async fn for_readers(
    places: &Places,
    settings: &StreamSettings,
    log: &LogPool,
) -> Result<StreamClient, BootError> {
    let config = config(settings, places.private_nats, log.epoch());
    let url = places.nats.0.expose();
    Ok(StreamClient::connect(url, settings.nats_creds.as_deref(), config).await?)
}

/// Like [`for_readers`], but connects when the server is there: who listens is told from Postgres
/// meanwhile.
pub(super) async fn for_listeners(
    places: &Places,
    settings: &StreamSettings,
    log: &LogPool,
) -> Result<StreamClient, BootError> {
    let config = config(settings, places.private_nats, log.epoch());
    let url = places.nats.0.expose();
    Ok(StreamClient::connect_lazily(url, settings.nats_creds.as_deref(), config).await?)
}

/// Which bounded context an aggregate type belongs to: part of its subject.
pub(super) fn contexts() -> Contexts {
    let entries = domain::catalogue();
    Arc::new(entries.into_iter().map(|e| (e.aggregate_type, e.context)).collect::<HashMap<_, _>>())
}
