//! A log as real use writes it: nine commands in ten are sealed messages, by authors of whom a few
//! write most; the rest ties, revisions and edits.

use commands::{CommandRequest, Executor};
use domain::{
    PlatformRoles,
    weave::{
        conversation::{ConversationKind, conversation_id},
        message::{EditMessage, Message, MessageCommand, PostMessage},
        node::{Node, NodeCommand, ReviseNode},
        values::{Change, MessageContent, Summary},
    },
};
use eventstore::LogPool;
use futures::{StreamExt, TryStreamExt, stream};
use kernel::Position;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use uuid::Uuid;

use super::{AT_ONCE, Writer, refused, tie};
use crate::{mixed::Zipf, progress::Progress};

const AUTHORS: usize = 100;
/// Messages per node.
const PER_NODE: usize = 20;
const TEXTS: [&str; 3] = [
    "Moin, wer bringt am Samstag Kuchen mit?",
    "Danke!",
    "Die Probe fällt aus, wir treffen uns stattdessen nächsten Montag um sieben im Bürgerhaus.",
];

enum Act {
    Post,
    Edit,
    Tie,
    Revise,
}

/// Writes so many commands and says where the log ends.
///
/// # Errors
/// A command is refused or the log cannot be written.
pub async fn talk(log: &LogPool, commands: usize) -> anyhow::Result<Position> {
    let writer = Writer::start(log)?;
    let mut authors = Vec::with_capacity(AUTHORS);
    for number in 0..AUTHORS {
        authors.push(writer.weaver(&format!("bench-{number}@bench.invalid")).await?);
    }
    let nodes: Vec<(Uuid, Uuid)> =
        (0..(commands / PER_NODE).max(1)).map(|number| (Uuid::now_v7(), authors[number % AUTHORS])).collect();
    let executor = &writer.executor;
    stream::iter(nodes.iter().enumerate())
        .map(|(number, (node, owner))| tie_as(executor, *node, *owner, number))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    let progress = Progress::many("talking", commands as u64);
    let (zipf, mut random) = (Zipf::over(AUTHORS), StdRng::seed_from_u64(1));
    let mut turns = [0; AUTHORS];
    let mut said: Vec<(Uuid, Uuid)> = Vec::new();
    stream::iter(0..commands)
        .map(|number| {
            let rank = zipf.draw(&mut random);
            let author = authors[rank];
            // From node to node: nobody posts often enough in one conversation to be told to wait.
            turns[rank] += 1;
            let (node, owner) = nodes[(rank * PER_NODE + turns[rank]) % nodes.len()];
            let act = match random.random_range(0..100) {
                0..90 => Act::Post,
                90..92 => Act::Tie,
                92..95 => Act::Revise,
                _ => Act::Edit,
            };
            let id = Uuid::now_v7();
            // So far back that it is written by now: at most AT_ONCE commands are under way.
            let old = said.len().checked_sub(2 * AT_ONCE).map(|back| said[back]);
            if matches!(act, Act::Post) {
                said.push((id, author));
            }
            let progress = &progress;
            async move {
                match (act, old) {
                    (Act::Tie, _) => tie_as(executor, id, author, number).await?,
                    (Act::Revise, _) => revise(executor, node, owner, number).await?,
                    (Act::Edit, Some((message, author))) => {
                        let edit = EditMessage { content: content(number)? };
                        say(executor, message, author, "edit", MessageCommand::Edit(edit)).await?;
                    }
                    (Act::Edit, None) => {}
                    (Act::Post, _) => {
                        let conversation_id = conversation_id(ConversationKind::Node, node);
                        let post = PostMessage { conversation_id, content: content(number)? };
                        say(executor, id, author, "post", MessageCommand::Post(post)).await?;
                    }
                }
                progress.advance(1);
                anyhow::Ok(())
            }
        })
        .buffered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(eventstore::log::head(log.pg()).await?.position)
}

fn content(number: usize) -> anyhow::Result<MessageContent> {
    MessageContent::parse(format!("{} ({number})", TEXTS[number % TEXTS.len()])).map_err(refused)
}

async fn tie_as(executor: &Executor, node: Uuid, owner: Uuid, number: usize) -> anyhow::Result<()> {
    let command = NodeCommand::Tie(tie(number).map_err(refused)?);
    executor.execute::<Node>(CommandRequest::begun_by(acting(owner), node), "tie", Ok(command)).await?;
    Ok(())
}

async fn revise(executor: &Executor, node: Uuid, owner: Uuid, number: usize) -> anyhow::Result<()> {
    let summary = Change::Set(Summary::parse(format!("Stand {number}")).map_err(refused)?);
    let command = NodeCommand::Revise(ReviseNode { summary, ..ReviseNode::default() });
    executor.execute::<Node>(CommandRequest::begun_by(acting(owner), node), "revise", Ok(command)).await?;
    Ok(())
}

async fn say(
    executor: &Executor,
    message: Uuid,
    author: Uuid,
    word: &str,
    command: MessageCommand,
) -> anyhow::Result<()> {
    executor.execute::<Message>(CommandRequest::begun_by(acting(author), message), word, Ok(command)).await?;
    Ok(())
}

fn acting(id: Uuid) -> commands::Caller {
    commands::Caller::Account { id, platform: PlatformRoles::default() }
}
