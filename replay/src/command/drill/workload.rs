use std::sync::Arc;

use chrono::Utc;
use domain::{
    Aggregate,
    weave::{
        account::{Account, AccountLeft, AccountRegistered},
        conversation::{Conversation, ConversationKind, ConversationOpened, conversation_id},
        message::{Message, MessageEdited, MessagePosted},
        node::{Node, NodeRevised, NodeTied},
    },
};
use eventstore::{
    append::{Append, EventToStore, Receipt, Write},
    seal::{SealJob, Sealer},
};
use kernel::{Actor, AggregateRef, Metadata, Name, NewEvent};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Failure;

/// Events of one bulk append.
pub const NEIGHBOURHOOD: i64 = 20;
const MESSAGES: u128 = 12;
/// Accounts that leave; what was theirs is unbound by the reactor.
pub const LEAVERS: u128 = 3;

/// What people do, made up: the same number gives the same people and places, so that any part of
/// it can be made on its own. Ids are made from the numbers and mean nothing outside the drill.
#[derive(Clone)]
pub struct Workload {
    sealer: Sealer,
    pub accounts: u128,
}

#[derive(Clone, Copy)]
enum Kind {
    Account = 1,
    Node,
    Message,
    LiveNode,
    LiveMessage,
}

/// In the form of version 7, far in the past.
fn id(kind: Kind, number: u128) -> Uuid {
    let upper = 0x0192_0000_0000_7000_u128 | ((kind as u128) << 16);
    Uuid::from_u128((upper << 64) | (0x8000_0000_0000_0000 | number))
}

pub fn account(number: u128) -> Uuid {
    id(Kind::Account, number)
}

struct Draft {
    aggregate: AggregateRef,
    expected_version: i64,
    event_type: &'static str,
    payload: Value,
}

impl Workload {
    pub fn new(sealer: Sealer, events: i64) -> Self {
        let accounts = u128::from(events.unsigned_abs() / 2_000).clamp(10, 2_000);
        Self { sealer, accounts }
    }

    pub async fn register(&self, number: u128) -> Result<Append, Failure> {
        let id = account(number);
        let personal = |class: &str, value: String| json!({"$personal": {"class": class, "subject": id, "value": value}});
        let draft = Draft {
            aggregate: AggregateRef::new(Account::TYPE, id),
            expected_version: 0,
            event_type: AccountRegistered::TYPE,
            payload: json!({
                "title": personal("identity", format!("Person {number}")),
                "email": personal("contact", format!("person-{number}@drill.invalid")),
                "role": "weaver",
            }),
        };
        self.append(vec![draft], id, "account.register").await
    }

    /// The account's only event after it was registered.
    pub async fn leave(&self, number: u128) -> Result<Append, Failure> {
        let id = account(number);
        let draft = Draft {
            aggregate: AggregateRef::new(Account::TYPE, id),
            expected_version: 1,
            event_type: AccountLeft::TYPE,
            payload: json!({}),
        };
        self.append(vec![draft], id, "account.leave").await
    }

    /// Two nodes with what is said about them: [`NEIGHBOURHOOD`] events in one append.
    pub async fn neighbourhood(&self, number: u128) -> Result<Append, Failure> {
        let creator = account(number % self.accounts);
        let nodes = [id(Kind::Node, number * 2), id(Kind::Node, number * 2 + 1)];
        let mut drafts = Vec::new();
        for (index, node) in (0_u128..).zip(nodes) {
            drafts.extend(tie(node, number * 2 + index, creator));
        }
        for index in 0..MESSAGES {
            let node = nodes[usize::from(index % 2 == 1)];
            let author = account((number * 7 + index) % self.accounts);
            drafts.push(post(id(Kind::Message, number * MESSAGES + index), node, author, index));
        }
        for (node, message) in nodes.iter().zip(0..) {
            drafts.push(Draft {
                aggregate: AggregateRef::new(Node::TYPE, *node),
                expected_version: 1,
                event_type: NodeRevised::TYPE,
                payload: json!({"summary": "Jeden ersten Samstag offen."}),
            });
            let author = account((number * 7 + message) % self.accounts);
            drafts.push(Draft {
                aggregate: AggregateRef::new(Message::TYPE, id(Kind::Message, number * MESSAGES + message)),
                expected_version: 1,
                event_type: MessageEdited::TYPE,
                payload: json!({"content": content(author, "Nachtrag: Werkzeug ist da.")}),
            });
        }
        self.append(drafts, creator, "drill.fill").await
    }

    /// What one caller asks for, with an idempotency key: mostly a message, now and then a node and
    /// its conversation. Never by somebody who leaves.
    pub async fn act(&self, number: u128, neighbourhoods: u128) -> Result<Append, Failure> {
        let author = account(LEAVERS + number % (self.accounts - LEAVERS));
        let (drafts, addressed) = if number.is_multiple_of(8) {
            let node = id(Kind::LiveNode, number);
            (tie(node, number, author), node)
        } else {
            let node = id(Kind::Node, (number * 13) % (neighbourhoods * 2));
            let message = id(Kind::LiveMessage, number);
            (vec![post(message, node, author, number)], message)
        };
        let mut append = self.append(drafts, author, "drill.act").await?;
        append.receipt = Some(Receipt {
            key_hash: hash(b'k', number),
            fingerprint: hash(b'f', number),
            aggregate_id: addressed,
            first_version: 1,
            position: None,
        });
        Ok(append)
    }

    async fn append(&self, drafts: Vec<Draft>, actor: Uuid, command: &str) -> Result<Append, Failure> {
        let broken = |error: &dyn std::fmt::Display| Failure::could_not_run(format!("the workload: {error}"));
        let now = Utc::now();
        let command_id = Uuid::now_v7();
        let metadata = Metadata {
            actor: Actor::Account(actor),
            roles: vec!["weaver".to_owned()],
            command: command.to_owned(),
            command_id,
            correlation_id: command_id,
            causation_id: command_id,
            occurred_at: now,
            traceparent: None,
        };
        let metadata: Arc<str> = serde_json::to_string(&metadata).map_err(|error| broken(&error))?.into();
        let mut drafts = drafts;
        let ids: Vec<Uuid> = drafts.iter().map(|_| Uuid::now_v7()).collect();
        let mut jobs: Vec<SealJob<'_>> = drafts
            .iter_mut()
            .zip(&ids)
            .map(|(draft, event_id)| SealJob {
                event_id: *event_id,
                occurred_at: now,
                payload: &mut draft.payload,
            })
            .collect();
        self.sealer.seal_all(&mut jobs).await.map_err(|error| broken(&error))?;
        let mut writes: Vec<Write> = Vec::new();
        for (draft, event_id) in drafts.into_iter().zip(ids) {
            let event = EventToStore::prepare(NewEvent {
                event_id,
                event_type: Name::constant(draft.event_type),
                schema_version: 1,
                payload: draft.payload,
                metadata: Arc::clone(&metadata),
            })
            .map_err(|error| broken(&error))?;
            let id = draft.aggregate.aggregate_id;
            // An aggregate is written once per append.
            match writes.iter_mut().find(|write| write.aggregate.aggregate_id == id) {
                Some(write) => write.events.push(event),
                None => writes.push(Write {
                    aggregate: draft.aggregate,
                    expected_version: draft.expected_version,
                    events: vec![event],
                    external_id: None,
                }),
            }
        }
        Ok(Append { writes, ..Append::default() })
    }
}

fn tie(node: Uuid, number: u128, creator: Uuid) -> Vec<Draft> {
    // Spread over the globe by the golden ratio; exact enough up to 2^53.
    let spread = |step: f64, range: f64| ((number as f64 * step).fract() - 0.5) * range;
    let conversation = conversation_id(ConversationKind::Node, node);
    let tied = json!({
        "title": format!("Werkstatt {number}"), "kind": "projekt", "address": "Uferstraße 7, 12345 Neustadt",
        "location": {"lat": spread(0.618_033_988, 120.0), "lon": spread(0.754_877_666, 358.0)},
        "tags": ["werkstatt", "offen"], "search_visibility": "public", "created_by": creator,
        "conversation_id": conversation,
    });
    vec![
        Draft {
            aggregate: AggregateRef::new(Node::TYPE, node),
            expected_version: 0,
            event_type: NodeTied::TYPE,
            payload: tied,
        },
        Draft {
            aggregate: AggregateRef::new(Conversation::TYPE, conversation),
            expected_version: 0,
            event_type: ConversationOpened::TYPE,
            payload: json!({"conversation_id": conversation, "kind": "node", "subject_id": node}),
        },
    ]
}

fn post(message: Uuid, node: Uuid, author: Uuid, number: u128) -> Draft {
    Draft {
        aggregate: AggregateRef::new(Message::TYPE, message),
        expected_version: 0,
        event_type: MessagePosted::TYPE,
        payload: json!({
            "conversation_id": conversation_id(ConversationKind::Node, node), "author_id": author,
            "content": content(author, &format!("Wer bringt Kuchen mit? ({number})")),
        }),
    }
}

fn content(author: Uuid, text: &str) -> Value {
    json!({"$personal": {"class": "content", "subject": author, "value": text}})
}

fn hash(what: u8, number: u128) -> [u8; 32] {
    let mut hash = [what; 32];
    hash[..16].copy_from_slice(&number.to_be_bytes());
    hash
}
