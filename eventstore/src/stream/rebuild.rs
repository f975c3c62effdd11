use kernel::Position;

use super::{Contexts, StreamClient};
use crate::{
    LogPool,
    relay::{Relay, RelayConfig, RelayError},
};

/// Throws the epoch's stream away and publishes it again from the log, up to the head there is when
/// it gets there. For a stream with holes inside, foreign messages or a forked tail; relays may go
/// on meanwhile, they find it missing and help. `progress` gets (published, head).
///
/// Interrupted it leaves a shorter stream, which the next relay completes.
///
/// # Errors
/// [`RelayError`]; what can be tried again has been tried for a while.
pub async fn rebuild(
    log: &LogPool,
    client: &StreamClient,
    contexts: &Contexts,
    mut progress: impl FnMut(Position, Position) + Send,
) -> Result<Position, RelayError> {
    client.delete().await?;
    complete(log, client, contexts, &mut progress).await
}

/// Publishes what the stream does not have yet, up to the head; beside any relay.
///
/// # Errors
/// [`RelayError`]; what can be tried again has been tried for a while.
pub async fn complete(
    log: &LogPool,
    client: &StreamClient,
    contexts: &Contexts,
    mut progress: impl FnMut(Position, Position) + Send,
) -> Result<Position, RelayError> {
    let config = RelayConfig { lease: None, ..RelayConfig::default() };
    let mut relay = Relay::new(log.clone(), client.clone(), contexts, config, None);
    let stats = relay.stats();
    relay.drain(&mut |stats| progress(stats.position(), stats.head())).await?;
    Ok(stats.position())
}
