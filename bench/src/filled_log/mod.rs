//! Logs written by the executor as the api writes them: full of ties, each of which is two events,
//! the node's and its conversation's; or of what real use asks for.

mod talk;

use std::sync::Arc;

use anyhow::{Context, anyhow};
use commands::{Caller, CommandRequest, Executor, ExecutorConfig, ExecutorDeps};
use domain::{
    PlatformRoles, Rejection,
    weave::{
        account::{Account, AccountCommand, PromoteAccount, RegisterAccount},
        node::{Node, NodeCommand, TieNode},
        values::{Email, Kind, Location, NodeAddress, NodeTags, SearchVisibility, Summary, Title},
    },
};
use eventstore::{
    LogPool,
    append::{Appender, AppenderConfig},
    keys::{KeyStore, MemoryKeyStore},
    seal::Sealer,
};
use futures::{StreamExt, TryStreamExt, stream};
use kernel::{Position, SystemClock};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

pub use self::talk::talk;
use crate::progress::Progress;

/// As many at once as the appender gets into one batch without waiting for more.
const AT_ONCE: usize = 256;

/// Ties this many nodes and says where the log ends.
///
/// # Errors
/// A command is refused or the log cannot be written.
pub async fn fill(log: &LogPool, ties: usize) -> anyhow::Result<Position> {
    let writer = Writer::start(log)?;
    let actor = writer.weaver("bench@bench.invalid").await?;
    let progress = Progress::many("filling", ties as u64);
    stream::iter(0..ties)
        .map(|number| {
            let (executor, progress) = (&writer.executor, &progress);
            async move {
                let caller = Caller::Account { id: actor, platform: PlatformRoles::default() };
                let command = NodeCommand::Tie(tie(number).map_err(refused)?);
                let request = CommandRequest::begun_by(caller, Uuid::now_v7());
                executor.execute::<Node>(request, "tie", Ok(command)).await.context("a tie was refused")?;
                progress.advance(1);
                anyhow::Ok(())
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(eventstore::log::head(log.pg()).await?.position)
}

/// An executor of its own on a log.
struct Writer {
    executor: Executor,
    _stop: DropGuard,
}

impl Writer {
    fn start(log: &LogPool) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let appender = Appender::start(log.clone(), AppenderConfig::default(), stop.clone());
        // Nobody opens what is sealed here; the keys need not outlive this run.
        let keys: Arc<dyn KeyStore> = Arc::new(MemoryKeyStore::new()?);
        let sealer = Sealer::new(Arc::clone(&keys));
        let deps = ExecutorDeps { log: log.clone(), appender, sealer, keys, clock: Arc::new(SystemClock) };
        let executor = Executor::new(deps, ExecutorConfig::default());
        Ok(Self { executor, _stop: stop.drop_guard() })
    }

    async fn weaver(&self, email: &str) -> anyhow::Result<Uuid> {
        let id = Uuid::now_v7();
        let register = RegisterAccount {
            title: Title::parse("Bench").map_err(refused)?,
            email: Email::parse(email).map_err(refused)?,
        };
        let promote = PromoteAccount { proposal_id: None };
        for (word, command) in
            [("register", AccountCommand::Register(register)), ("promote", AccountCommand::Promote(promote))]
        {
            let asked = CommandRequest::begun_by(Caller::System, id);
            self.executor.execute::<Account>(asked, word, Ok(command)).await.context(word)?;
        }
        Ok(id)
    }
}

fn tie(number: usize) -> Result<TieNode, Rejection> {
    let spread = |step: f64, range: f64| ((number as f64 * step).fract() - 0.5) * range;
    Ok(TieNode {
        title: Title::parse(format!("Werkstatt {number}"))?,
        kind: Kind::parse("place")?,
        address: NodeAddress::parse(format!("Uferstraße {}, 12345 Neustadt", number % 200 + 1))?,
        location: Location::parse(spread(0.618_033_988, 120.0), spread(0.754_877_666, 358.0))?,
        summary: Some(Summary::parse("Jeden zweiten Samstag offen; Werkzeug ist da.")?),
        info: None,
        tags: NodeTags::parse(["werkstatt", "offen"])?,
        search_visibility: SearchVisibility::Public,
    })
}

fn refused(rejection: Rejection) -> anyhow::Error {
    anyhow!("{rejection}")
}
