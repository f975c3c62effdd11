use std::fmt;

use kernel::Position;
use sqlx::PgPool;

use super::SalvageError;
use crate::{
    epoch::{self, Evidence},
    stream::{StreamClient, StreamError},
};

/// What one epoch's stream holds and this log does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surplus {
    pub stream: String,
    pub epoch: i32,
    pub from: Position,
    pub to: Position,
    /// The log's head when this was found out.
    pub head: Position,
    pub way: Way,
}

impl Surplus {
    #[must_use]
    pub const fn count(&self) -> i64 {
        self.to - self.from + 1
    }
}

/// Where a surplus can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Back into the log: it begins right behind the head, and nothing was appended since.
    Back,
    /// Only into a file: the log went on without it from this position on.
    WentOn { from: Position },
    /// Only into a file: stream and log share no event, so nobody can say where it belongs.
    NothingInCommon,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Back => f.write_str("nothing was appended since"),
            Self::WentOn { from } => write!(f, "the log has gone on without them from position {from}"),
            Self::NothingInCommon => f.write_str("stream and log share no event that could be compared"),
        }
    }
}

/// The surplus of the stream that `client` was made for: the present epoch's, or the one an earlier
/// epoch left behind. `None` without a stream, and where it holds nothing beyond the log.
///
/// # Errors
/// [`SalvageError::InRecovery`], or when one of the two cannot be asked.
pub async fn find(pool: &PgPool, client: &StreamClient) -> Result<Option<Surplus>, SalvageError> {
    let standing = epoch::status(pool).await?;
    if standing.in_recovery {
        return Err(SalvageError::InRecovery);
    }
    let asked = client.config().epoch;
    if asked < standing.epoch {
        return left_behind(pool, client, standing.position).await;
    }
    let Evidence::Stream { head, tail } = epoch::evidence(pool, client).await? else { return Ok(None) };
    let Some(lost) = tail.lost else { return Ok(None) };
    let way = match tail.common {
        Some(common) if common == head => Way::Back,
        Some(common) => Way::WentOn { from: common + 1 },
        None => Way::NothingInCommon,
    };
    Ok(Some(Surplus { stream: tail.stream, epoch: lost.epoch, from: lost.from, to: lost.to, head, way }))
}

/// An earlier epoch ended at its fork; what its stream holds beyond was given up then.
async fn left_behind(
    pool: &PgPool,
    client: &StreamClient,
    head: Position,
) -> Result<Option<Surplus>, SalvageError> {
    let asked = client.config().epoch;
    let next = epoch::epochs(pool).await?.into_iter().find(|row| row.epoch == asked + 1);
    let Some(next) = next else { return Ok(None) };
    let state = match client.state().await {
        Ok(state) => state,
        Err(StreamError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let from = next.first_position.max(state.first);
    Ok((state.messages > 0 && state.last >= from).then(|| Surplus {
        stream: client.name().to_owned(),
        epoch: asked,
        from,
        to: state.last,
        head,
        way: Way::WentOn { from: next.first_position },
    }))
}
