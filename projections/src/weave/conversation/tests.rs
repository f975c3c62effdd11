use std::sync::Arc;

use domain::{
    EventPayload,
    weave::{conversation::ConversationEvent, message::MessageEvent},
};
use eventstore::{
    keys::{KeyStore, MemoryKeyStore},
    seal::Sealer,
    subscription::PostgresProjection,
};
use kernel::{Class, Projection, RecordedEvent};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ConversationChange, ConversationFields, ConversationKey, ConversationRow, ConversationState,
    Conversations, MessageFields, change::CONVERSATION_EVENT_TYPES, messages_of,
};
use crate::{
    PositionCursor, ReadError, Sealed,
    testing::{Scratch, Story, fixtures, fold, occurred_at},
    weave::account_page::{AccountPage, tests::sealed},
};

const TALK: Uuid = Uuid::from_u128(0x7a1c);
const NODE: Uuid = Uuid::from_u128(0x0de);
const ADA: Uuid = Uuid::from_u128(0xada);
const BOB: Uuid = Uuid::from_u128(0xb0b);
const HELLO: Uuid = Uuid::from_u128(0x4e110);
const CANARY: &str = "CANARY";

fn opened() -> Value {
    json!({"conversation_id": TALK, "kind": "node", "subject_id": NODE})
}

fn closed_content() -> Value {
    json!({"$sealed": {"class": "content", "subject": ADA, "key": Uuid::nil(), "event": Uuid::nil(),
                       "field": "/content", "nonce": "AA==", "box": "AA=="}})
}

fn posted(author: Uuid, content: Value) -> Value {
    json!({"conversation_id": TALK, "author_id": author, "content": content})
}

fn talk() -> Story {
    Story::of("conversation", TALK).then("ConversationOpened", opened())
}

fn hello() -> Story {
    Story::of("message", HELLO).then("MessagePosted", posted(ADA, closed_content()))
}

/// Several streams as one log: positions in the order given.
fn log(stories: impl IntoIterator<Item = RecordedEvent>) -> Vec<RecordedEvent> {
    stories
        .into_iter()
        .zip(1..)
        .map(|(mut event, position)| {
            event.position = position;
            event
        })
        .collect()
}

fn conversation(events: &[RecordedEvent]) -> ConversationFields {
    let key = ConversationKey::Conversation(TALK);
    match fold(&Conversations, events).unwrap().remove(&key) {
        Some(ConversationRow::Conversation(fields)) => fields,
        other => panic!("{other:?}"),
    }
}

fn message(events: &[RecordedEvent]) -> MessageFields {
    let talk = talk().events.into_iter().chain(events.iter().cloned());
    match fold(&Conversations, &log(talk)).unwrap().remove(&ConversationKey::Message(HELLO)) {
        Some(ConversationRow::Message(fields)) => *fields,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_miss_no_event_of_conversations_and_messages() {
    let of_domain: Vec<_> = ConversationEvent::TYPES
        .iter()
        .chain(MessageEvent::TYPES)
        .map(|(event_type, _)| *event_type)
        .collect();
    assert_eq!(CONVERSATION_EVENT_TYPES, of_domain);
}

#[test]
fn every_stored_form_folds_and_no_row_holds_a_clear_text() {
    for event_type in CONVERSATION_EVENT_TYPES {
        for (name, payload) in fixtures(event_type) {
            let mut opened = payload.clone();
            if let Some(envelope) = opened.pointer("/content/$sealed").cloned() {
                // As if somebody had opened the payload before the fold.
                opened["content"] = json!({"$opened": {"value": CANARY, "sealed": envelope}});
            }
            for payload in [payload, opened] {
                let before = |story: Story| story.then(event_type, payload.clone()).events;
                let events = match *event_type {
                    "ConversationOpened" => before(Story::of("conversation", TALK)),
                    "ConversationClosed" => before(talk()),
                    "MessagePosted" => {
                        // The golden post is in another conversation.
                        let id = payload["conversation_id"].as_str().unwrap().parse().unwrap();
                        let talk = Story::of("conversation", id).then("ConversationOpened", opened_at(id));
                        log(talk.events.into_iter().chain(before(Story::of("message", HELLO))))
                    }
                    _ => log(talk().events.into_iter().chain(before(hello()))),
                };
                let rows = fold(&Conversations, &events).expect(&name);
                let text: String = rows.values().map(written).collect();
                assert!(!text.contains(CANARY) && !text.contains("$opened"), "{name}: {text}");
            }
        }
    }
}

fn opened_at(id: Uuid) -> Value {
    json!({"conversation_id": id, "kind": "node", "subject_id": NODE})
}

/// All of a row that is personal, as it would be written.
fn written(row: &ConversationRow) -> String {
    match row {
        ConversationRow::Conversation(fields) => format!("{fields:?}"),
        ConversationRow::Message(fields) => serde_json::to_string(&fields.content).unwrap(),
    }
}

#[test]
fn a_content_that_is_not_sealed_is_undecodable_and_not_quoted() {
    let personal = json!({"$personal": {"class": "content", "subject": ADA, "value": CANARY}});
    for content in [personal, json!(CANARY)] {
        for (event_type, payload) in
            [("MessagePosted", posted(ADA, content.clone())), ("MessageEdited", json!({"content": content}))]
        {
            let story = Story::of("message", HELLO).then(event_type, payload);
            let error = ConversationChange::decode(&story.events[0]).err().expect(event_type);
            assert!(!error.to_string().contains(CANARY), "{error}");
        }
    }
}

#[test]
fn closed_before_anybody_spoke_it_is_gone_and_afterwards_an_archive() {
    let silent = talk().then("ConversationClosed", json!({}));
    assert_eq!(conversation(&silent.events).state, ConversationState::Gone);

    let events = log(talk().events.into_iter().chain(hello().events));
    let open = conversation(&events);
    assert_eq!((open.state, open.message_count), (ConversationState::Open, 1));
    assert_eq!((open.last_message_position, open.last_message_at), (Some(2), Some(occurred_at(1))));

    // A tombstone is still something that was said.
    let hello = hello().then("MessageTombstoned", json!({"by": ADA})).events;
    let closing = talk().then("ConversationClosed", json!({})).events.remove(1);
    let events = log(talk().events.into_iter().chain(hello).chain([closing]));
    let archived = conversation(&events);
    assert_eq!((archived.state, archived.message_count), (ConversationState::Archived, 1));
}

#[test]
fn a_post_after_the_closing_is_never_shown_as_if_it_were_fine() {
    let closed = talk().then("ConversationClosed", json!({})).events;
    let late = log(closed.into_iter().chain(hello().events));
    assert!(fold(&Conversations, &late).is_err());
    assert!(fold(&Conversations, &hello().events).is_err(), "nor one in a conversation that never was");
}

#[test]
fn a_message_follows_its_edits_and_keeps_nothing_once_taken_away() {
    let other = json!({"$redacted": true});
    let story = hello().then("MessageEdited", json!({"content": other}));
    let edited = message(&story.events);
    assert_eq!((&edited.content, edited.edited_at), (&Some(Sealed::Redacted), Some(occurred_at(2))));
    assert_eq!((edited.created_at, edited.version, edited.author_id), (occurred_at(1), 2, Some(ADA)));
    assert_eq!(edited.position, 2, "an edit does not move it");

    let story = story.then("MessageTombstoned", json!({"by": BOB}));
    let gone = message(&story.events);
    assert_eq!((gone.content, gone.tombstoned, gone.author_id), (None, true, Some(ADA)));

    let story = story.then("MessageAuthorUnbound", json!({}));
    assert_eq!(message(&story.events).author_id, None);
    let live = message(&hello().then("MessageAuthorUnbound", json!({})).events);
    assert!(live.author_id.is_none() && live.content.is_some(), "the text stays");

    let late = story.then("MessageEdited", json!({"content": closed_content()}));
    let log = log(talk().events.into_iter().chain(late.events));
    assert!(fold(&Conversations, &log).is_err());
}

#[test]
fn an_unreadable_post_parks_itself_and_its_conversation_only() {
    let story = Story::of("message", HELLO).then("MessagePosted", posted(ADA, json!(CANARY)));
    let keys = [ConversationKey::Conversation(TALK), ConversationKey::Message(HELLO)];
    assert_eq!(Conversations.keys_without_payload(&story.events[0]), keys);
    // Whose count would be wrong, nobody can say.
    let lost = Story::of("message", HELLO).then("MessagePosted", json!({}));
    assert_eq!(Conversations.keys_without_payload(&lost.events[0]), []);
    assert_eq!(keys.map(|key| key.to_string()), [format!("conversation:{TALK}"), format!("message:{HELLO}")]);
}

#[test]
fn the_schema_is_unqualified() {
    assert!(!Conversations::SCHEMA.contains("conversation."));
}

#[tokio::test]
#[ignore = "needs SCRATCH_DATABASE_URL"]
async fn pages_show_every_message_once_newest_first_and_open_what_is_left() {
    let scratch = Scratch::begin().await;
    let keys = Arc::new(MemoryKeyStore::new().unwrap());
    let sealer = Sealer::new(Arc::clone(&keys) as Arc<dyn KeyStore>);
    let unknown = messages_of(&scratch.pool, &sealer, TALK, 20, None).await.unwrap();
    assert!(unknown.is_none());

    let mut people = Vec::new();
    for (id, title) in [(ADA, "Ada"), (BOB, "Bob")] {
        let title = sealed(&sealer, id, Class::Identity, "/title", json!(title)).await;
        let payload = json!({"title": title, "role": "guest"});
        people.extend(Story::of("account", id).then("AccountRegistered", payload).events);
    }
    scratch.apply(&AccountPage, &log(people)).await;

    let mut events = talk().events;
    for number in 0..45_u128 {
        let author = if number % 2 == 0 { ADA } else { BOB };
        let content =
            sealed(&sealer, author, Class::Content, "/content", json!(format!("Nr. {number}"))).await;
        events.extend(
            Story::of("message", Uuid::from_u128(number))
                .then("MessagePosted", posted(author, content))
                .events,
        );
    }
    let mut events = log(events);
    // Nr. 3 is taken away, Nr. 4 edited.
    let changed = Story::of("message", Uuid::from_u128(3))
        .then("MessagePosted", json!({}))
        .then("MessageTombstoned", json!({"by": BOB}));
    events.push(changed.events[1].clone());
    let better = sealed(&sealer, ADA, Class::Content, "/content", json!("besser")).await;
    let changed = Story::of("message", Uuid::from_u128(4))
        .then("MessagePosted", json!({}))
        .then("MessageEdited", json!({"content": better}));
    events.push(changed.events[1].clone());
    let events = log(events);
    for page in events.chunks(10) {
        scratch.apply(&Conversations, page).await;
    }

    let mut shown = Vec::new();
    let mut cursor = None;
    loop {
        let list = messages_of(&scratch.pool, &sealer, TALK, 7, cursor).await.unwrap().unwrap();
        assert_eq!((list.conversation.state.as_str(), list.conversation.message_count), ("open", 45));
        assert_eq!(list.page.position, 2, "the accounts are only that far");
        shown.extend(list.page.items);
        match list.page.next_cursor {
            Some(text) => cursor = Some(PositionCursor::parse(&text).unwrap()),
            None => break,
        }
    }
    let ids: Vec<_> = shown.iter().map(|message| message.id.as_u128()).collect();
    assert_eq!(ids, (0..45).rev().collect::<Vec<_>>());
    let nr = |number: usize| &shown[44 - number];
    assert_eq!(nr(7).content.as_deref(), Some("Nr. 7"));
    assert_eq!(nr(7).author.as_ref().unwrap().title.as_deref(), Some("Bob"));
    assert_eq!((nr(3).content.as_deref(), nr(3).tombstoned), (None, true));
    assert!(nr(3).erased.is_empty() && nr(3).author.is_some());
    assert_eq!((nr(4).content.as_deref(), nr(4).edited_at), (Some("besser"), Some(occurred_at(2))));

    // Forgotten contents are null and named; who left is no author.
    keys.erase(BOB, &[Class::Content, Class::Identity]).await.unwrap();
    let left = Story::of("account", ADA).then("AccountRegistered", json!({})).then("AccountLeft", json!({}));
    let mut left = left.events[1].clone();
    left.position = 99;
    scratch.apply(&AccountPage, &[left]).await;
    let list = messages_of(&scratch.pool, &sealer, TALK, 2, None).await.unwrap().unwrap();
    let json = serde_json::to_value(&list.page.items).unwrap();
    assert_eq!((&json[0]["author"], &json[0]["content"]), (&Value::Null, &json!("Nr. 44")));
    assert_eq!(json[1]["author"], json!({"id": BOB, "title": null}));
    assert_eq!(
        (&json[1]["content"], &json[1]["erased"]),
        (&Value::Null, &json!(["/author/title", "/content"]))
    );

    // The closing, folded again from the beginning: as the operator's retry writes it.
    let mut closing = talk().then("ConversationClosed", json!({})).events.remove(1);
    closing.position = 60;
    scratch.apply(&Conversations, &[closing]).await;
    let list = messages_of(&scratch.pool, &sealer, TALK, 1, None).await.unwrap().unwrap();
    assert_eq!(list.conversation.state, "archived");
    scratch.end().await;
}

#[tokio::test]
#[ignore = "needs SCRATCH_DATABASE_URL"]
async fn a_conversation_that_is_gone_is_as_if_it_never_was() {
    let scratch = Scratch::begin().await;
    let sealer = Sealer::new(Arc::new(MemoryKeyStore::new().unwrap()));
    let closed = talk().then("ConversationClosed", json!({}));
    scratch.apply(&Conversations, &closed.events).await;
    assert!(messages_of(&scratch.pool, &sealer, TALK, 20, None).await.unwrap().is_none());
    sqlx::raw_sql("delete from conversation_g1.checkpoint").execute(&scratch.pool).await.unwrap();
    let answer = messages_of(&scratch.pool, &sealer, TALK, 20, None).await;
    assert!(matches!(answer, Err(ReadError::NotBuilt("conversation"))));
    scratch.end().await;
}
