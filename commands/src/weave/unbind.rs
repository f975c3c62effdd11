use std::future::Future;

use domain::{
    Aggregate,
    weave::{
        account::AccountLeft,
        message::{Message, MessageCommand, MessageCommandKind, UnbindMessageAuthor},
        node::{Node, NodeCommand, NodeCommandKind, UnbindNodeCreator},
    },
};
use kernel::{Position, RecordedEvent};
use uuid::Uuid;

use crate::{
    Executor,
    reactor::{Reactor, ReactorError, Work},
};

/// Aggregates unbound by one append.
const AT_ONCE: usize = 100;

/// The nodes and messages that are bound to an account, from a read model.
pub trait Works: Send + Sync + 'static {
    /// The next `limit` after the id `after`, in the order of ids, as (aggregate type, id); and
    /// the position up to which everything is in.
    fn next(
        &self,
        account: Uuid,
        after: Uuid,
        limit: usize,
    ) -> impl Future<Output = Result<(Position, Vec<(String, Uuid)>), String>> + Send;
}

/// Takes the person off the nodes and messages of an account that was left.
pub struct UnbindWorks<W>(pub W);

impl<W: Works> Reactor for UnbindWorks<W> {
    const NAME: &'static str = "unbind-works";
    const EVENT_TYPES: &'static [&'static str] = &[AccountLeft::TYPE];

    async fn step(
        &self,
        executor: &Executor,
        event: &RecordedEvent,
        cursor: &str,
    ) -> Result<Work, ReactorError> {
        let after = match cursor {
            "" => Uuid::nil(),
            id => id.parse().map_err(|_| ReactorError::Other("the cursor is no id".into()))?,
        };
        let account = event.aggregate_id;
        let (position, works) = self.0.next(account, after, AT_ONCE).await.map_err(ReactorError::Other)?;
        // Nobody acts after leaving: what the read model holds at that position is all there is.
        if position < event.position {
            return Err(ReactorError::NotYet);
        }
        let mut writes = Vec::with_capacity(works.len());
        for (aggregate_type, id) in &works {
            let write = if *aggregate_type == Node::TYPE.as_str() {
                let command = NodeCommand::UnbindCreator(UnbindNodeCreator);
                let word = NodeCommandKind::UnbindCreator.name();
                executor.reaction::<Self, Node>(event, *id, word, &command).await?
            } else {
                let command = MessageCommand::UnbindAuthor(UnbindMessageAuthor);
                let word = MessageCommandKind::UnbindAuthor.name();
                executor.reaction::<Self, Message>(event, *id, word, &command).await?
            };
            writes.extend(write);
        }
        let last = works.last().map(|(_, id)| id.to_string());
        Ok(Work { writes, cursor: if works.len() < AT_ONCE { None } else { last } })
    }
}
