use std::collections::HashMap;

use eventstore::subscription::{Change, PostgresProjection, SinkFuture};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    ConversationFields, ConversationKey, ConversationRow, Conversations, MessageFields,
    columns::{ConversationArrays, ConversationColumns, MessageArrays, MessageColumns},
};
use crate::copy::Rows;

type RowChange = Change<ConversationKey, ConversationRow>;

impl PostgresProjection for Conversations {
    const SCHEMA: &'static str = include_str!("schema.sql");
    const INDEXES: &'static str = include_str!("indexes.sql");
    const TABLES: &'static [&'static str] = &["conversation", "message"];

    fn load<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        keys: &'a [ConversationKey],
    ) -> SinkFuture<'a, HashMap<ConversationKey, ConversationRow>> {
        Box::pin(async move {
            let (conversations, messages) = ids(keys.iter().copied());
            let mut found = HashMap::with_capacity(keys.len());
            if !conversations.is_empty() {
                let rows = sqlx::query_as!(
                    ConversationColumns,
                    "select id, kind, subject_id, state, message_count, last_message_position, last_message_at
                     from conversation where id = any($1)",
                    &conversations
                )
                .fetch_all(&mut *connection)
                .await?;
                for row in rows {
                    let key = ConversationKey::Conversation(row.id);
                    found.insert(key, ConversationRow::Conversation(row.into_fields()?));
                }
            }
            if !messages.is_empty() {
                let rows = sqlx::query_as!(
                    MessageColumns,
                    r#"select id, conversation_id, author_id, content as "content: _", created_at, edited_at,
                              tombstoned, version, position
                       from message where id = any($1)"#,
                    &messages
                )
                .fetch_all(connection)
                .await?;
                for row in rows {
                    let key = ConversationKey::Message(row.id);
                    found.insert(key, ConversationRow::Message(Box::new(row.into())));
                }
            }
            Ok(found)
        })
    }

    fn save<'a>(&'a self, connection: &'a mut PgConnection, changes: &'a [RowChange]) -> SinkFuture<'a, ()> {
        Box::pin(async move {
            // No fold deletes; a key that is folded anew from the log does.
            let gone = changes.iter().filter(|c| c.existed && c.row.is_none()).map(|c| c.key);
            let (conversations, messages) = ids(gone);
            if !conversations.is_empty() {
                sqlx::query!("delete from conversation where id = any($1)", &conversations)
                    .execute(&mut *connection)
                    .await?;
            }
            if !messages.is_empty() {
                sqlx::query!("delete from message where id = any($1)", &messages)
                    .execute(&mut *connection)
                    .await?;
            }
            let written = |existed: bool| changes.iter().filter(move |c| c.existed == existed);
            insert_conversations(connection, written(false).filter_map(conversation)).await?;
            let changed = written(true).filter_map(conversation);
            replace_conversations(connection, ConversationArrays::of(changed)).await?;
            insert_messages(connection, written(false).filter_map(message)).await?;
            replace_messages(connection, MessageArrays::of(written(true).filter_map(message))).await
        })
    }
}

/// The ids of conversations, and those of messages.
fn ids(keys: impl Iterator<Item = ConversationKey>) -> (Vec<Uuid>, Vec<Uuid>) {
    let (mut conversations, mut messages) = (Vec::new(), Vec::new());
    for key in keys {
        match key {
            ConversationKey::Conversation(id) => conversations.push(id),
            ConversationKey::Message(id) => messages.push(id),
        }
    }
    (conversations, messages)
}

fn conversation(change: &RowChange) -> Option<&ConversationFields> {
    match change.row.as_ref()? {
        ConversationRow::Conversation(fields) => Some(fields),
        ConversationRow::Message(_) => None,
    }
}

fn message(change: &RowChange) -> Option<&MessageFields> {
    match change.row.as_ref()? {
        ConversationRow::Conversation(_) => None,
        ConversationRow::Message(fields) => Some(fields),
    }
}

async fn insert_conversations<'a>(
    connection: &mut PgConnection,
    conversations: impl Iterator<Item = &'a ConversationFields>,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for conversation in conversations {
        rows.row(7)
            .put(conversation.id)
            .put(conversation.kind.as_str())
            .put(conversation.subject_id)
            .put(conversation.state.as_str())
            .put(conversation.message_count)
            .put(conversation.last_message_position)
            .put(conversation.last_message_at);
    }
    let into = "conversation (id, kind, subject_id, state, message_count, last_message_position, \
                last_message_at)";
    rows.write(connection, into).await
}

async fn replace_conversations(
    connection: &mut PgConnection,
    rows: ConversationArrays,
) -> Result<(), sqlx::Error> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/conversation/sql/replace_conversations.sql",
        &rows.ids,
        &rows.kinds as _,
        &rows.subjects,
        &rows.states as _,
        &rows.counts,
        &rows.last_positions as _,
        &rows.last_times as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_messages<'a>(
    connection: &mut PgConnection,
    messages: impl Iterator<Item = &'a MessageFields>,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::new();
    for message in messages {
        rows.row(9)
            .put(message.id)
            .put(message.conversation_id)
            .put(message.author_id)
            .put(message.content.as_ref().map(Json))
            .put(message.created_at)
            .put(message.edited_at)
            .put(message.tombstoned)
            .put(message.version)
            .put(message.position);
    }
    let into = "message (id, conversation_id, author_id, content, created_at, edited_at, tombstoned, \
                version, position)";
    rows.write(connection, into).await
}

async fn replace_messages(connection: &mut PgConnection, rows: MessageArrays<'_>) -> Result<(), sqlx::Error> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "src/weave/conversation/sql/replace_messages.sql",
        &rows.ids,
        &rows.conversations,
        &rows.authors as _,
        &rows.contents as _,
        &rows.created,
        &rows.edited as _,
        &rows.tombstoned,
        &rows.versions,
        &rows.positions
    )
    .execute(connection)
    .await?;
    Ok(())
}
