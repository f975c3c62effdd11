use std::{collections::HashSet, pin::Pin, sync::Arc, time::Duration};

use axum::{
    extract::ws::{Message, WebSocket},
    http::{HeaderMap, StatusCode},
};
use bytes::Bytes;
use eventstore::log;
use futures::{FutureExt, Stream, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use kernel::Position;
use serde_json::{json, value::RawValue};
use tokio::{
    sync::broadcast,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Bucket,
    ends::{End, close, code, first, is_too_big},
    frames::{Present, Said, Saying, read},
    post::post,
    presence::{Heard, Word},
};
use crate::{
    app::Shared,
    auth::Identity,
    live::{Filter, Listening, Live, Next, Place},
    problem::Problem,
};

/// Nothing heard for so long, not even the answer to a ping: nobody is there.
const IDLE: Duration = Duration::from_secs(30);
/// How often we ask, look at the token, and say who is here.
const TICK: Duration = Duration::from_secs(10);
/// How long one frame may take to be sent.
const SEND: Duration = Duration::from_secs(10);
const CONVERSATIONS: usize = 50;
/// Posts under way for one connection.
const POSTS: usize = 8;
/// Refused frames after which there is no more talking.
const REFUSALS: u32 = 100;

/// What a connection begins with.
pub(super) struct Opening {
    pub app: Shared,
    pub live: Arc<Live>,
    pub headers: HeaderMap,
    pub identity: Option<Identity>,
    pub place: Place,
    pub cut: CancellationToken,
}

/// One connection.
pub(super) struct Session {
    app: Shared,
    live: Arc<Live>,
    socket: WebSocket,
    identity: Identity,
    /// What the token is checked again with.
    headers: HeaderMap,
    cut: CancellationToken,
    bucket: Bucket,
    heard_at: Instant,
    refused: u32,
    conversations: HashSet<Uuid>,
    events: Option<Pin<Box<dyn Stream<Item = Next> + Send>>>,
    posts: FuturesUnordered<BoxFuture<'static, String>>,
    _place: Place,
}

enum Step {
    Frame(Option<Result<Message, axum::Error>>),
    Next(Option<Next>),
    Heard(Result<Heard, broadcast::error::RecvError>),
    Posted(String),
    Tick,
    Stop,
    Cut,
}

impl Session {
    pub async fn run(opening: Opening, mut socket: WebSocket) {
        let Opening { app, live, mut headers, identity, mut place, cut } = opening;
        let identity = match identity {
            Some(identity) => identity,
            None => match first(&app, &mut socket, &mut headers).await {
                Ok(identity) => match live.talkers.place(Some(identity.account)) {
                    Ok(own) => {
                        place = own;
                        identity
                    }
                    Err(_) => return close(socket, code::TOO_MANY, "too many connections").await,
                },
                Err(End(Some((code, reason)))) => return close(socket, code, reason).await,
                Err(End(None)) => return,
            },
        };
        let now = Instant::now();
        let mut session = Self {
            app,
            live,
            socket,
            identity,
            headers,
            cut,
            bucket: Bucket::full(now),
            heard_at: now,
            refused: 0,
            conversations: HashSet::new(),
            events: None,
            posts: FuturesUnordered::new(),
            _place: place,
        };
        let end = session.talk().await;
        let left: Vec<Uuid> = session.conversations.drain().collect();
        if !left.is_empty() {
            let word = Word::Gone { account: session.identity.account, conversations: left };
            session.live.presence.say(word).await;
        }
        if let End(Some((code, reason))) = end {
            close(session.socket, code, reason).await;
        }
    }

    async fn talk(&mut self) -> End {
        let ready = Saying::Ready { account: self.identity.account, position: self.live.position() };
        if let Err(end) = self.send(ready.text()).await {
            return end;
        }
        let mut ephemeral = self.live.presence.listen();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = {
                let Self { socket, events, posts, live, cut, .. } = &mut *self;
                let next = async {
                    match events {
                        Some(events) => events.next().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    () = cut.cancelled() => Step::Cut,
                    () = live.stop.cancelled() => Step::Stop,
                    _ = ticks.tick() => Step::Tick,
                    frame = socket.recv() => Step::Frame(frame),
                    Some(posted) = posts.next() => Step::Posted(posted),
                    next = next => Step::Next(next),
                    heard = ephemeral.recv() => Step::Heard(heard),
                }
            };
            if let Err(end) = self.step(step).await {
                return end;
            }
        }
    }

    async fn step(&mut self, step: Step) -> Result<(), End> {
        match step {
            Step::Cut => Err(End::SILENT),
            Step::Stop | Step::Next(Some(Next::Ended) | None) => {
                Err(End::saying(code::GOING, "come back, with the last position"))
            }
            Step::Tick => self.tick().await,
            Step::Posted(answer) => self.send(answer).await,
            Step::Next(Some(Next::Event(event))) => {
                let json = event.json();
                // It is JSON of our own making.
                let Ok(event) = serde_json::from_slice::<&RawValue>(&json) else { return Ok(()) };
                self.send(Saying::Event { event }.text()).await
            }
            Step::Next(Some(Next::Beat(position))) => self.send(Saying::Position { position }.text()).await,
            Step::Heard(Ok(heard)) if self.conversations.contains(&heard.conversation()) => {
                self.tell(heard).await
            }
            // Some were missed, or are about another conversation: nobody was promised any.
            Step::Heard(_) => Ok(()),
            Step::Frame(frame) => self.frame(frame).await,
        }
    }

    async fn tell(&mut self, heard: Heard) -> Result<(), End> {
        let saying = match heard {
            Heard::Typing { conversation, account } => {
                Saying::Typing { conversation_id: conversation, account }
            }
            Heard::Presence { conversation, account, here } => {
                Saying::Presence { conversation_id: conversation, account, here }
            }
        };
        self.send(saying.text()).await
    }

    async fn tick(&mut self) -> Result<(), End> {
        if self.heard_at.elapsed() > IDLE {
            return Err(End::saying(code::IDLE, "nothing was heard for 30 s"));
        }
        // It may have expired, or been revoked.
        if self.app.verifier.identity(&self.headers).is_err() {
            return Err(End::saying(code::UNAUTHORISED, "the token is over"));
        }
        if !self.conversations.is_empty() {
            let conversations = self.conversations.iter().copied().collect();
            let word = Word::Here { account: self.identity.account, conversations };
            self.live.presence.say(word).await;
        }
        self.put(Message::Ping(Bytes::new())).await
    }

    async fn frame(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let message = match frame {
            Some(Ok(message)) => message,
            Some(Err(error)) if is_too_big(&error) => {
                return Err(End::saying(code::TOO_BIG, "a frame has at most 64 KiB"));
            }
            Some(Err(_)) | None => return Err(End::SILENT),
        };
        let now = Instant::now();
        self.heard_at = now;
        let text = match &message {
            Message::Close(_) => return Err(End::SILENT),
            // The answer to our own question costs nothing.
            Message::Pong(_) => return Ok(()),
            Message::Text(text) => Some(text.as_str()),
            // Our side answers a ping by itself.
            Message::Ping(_) | Message::Binary(_) => None,
        };
        if !self.bucket.take(now) {
            return self.refuse().await;
        }
        if matches!(message, Message::Ping(_)) {
            return Ok(());
        }
        self.refused = self.refused.saturating_sub(1);
        let said = match text {
            Some(text) => read(text),
            None => Err(Problem::malformed_body("Frames are text.")),
        };
        match said {
            Ok(said) => self.said(said).await,
            Err(problem) => self.send(Saying::problem(None, &problem).text()).await,
        }
    }

    async fn refuse(&mut self) -> Result<(), End> {
        self.refused += 1;
        if self.refused > REFUSALS {
            return Err(End::saying(code::POLICY, "too many frames"));
        }
        let detail = "Ten frames a second are taken, twenty at once; this one was not looked at.";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-frames", detail);
        self.send(Saying::problem(None, &problem).text()).await
    }

    async fn said(&mut self, said: Said) -> Result<(), End> {
        match said {
            Said::Auth { .. } => {
                let problem = Problem::malformed_body("It is known already who speaks.");
                self.send(Saying::problem(None, &problem).text()).await
            }
            Said::Typing { conversation_id } => {
                // Of a conversation that was not asked for: nobody is told, not even why.
                if self.conversations.contains(&conversation_id) {
                    let account = self.identity.account;
                    self.live.presence.say(Word::Typing { conversation: conversation_id, account }).await;
                }
                Ok(())
            }
            Said::Subscribe { r#ref, conversations, after } => {
                let text = match self.subscribe(conversations, after).await {
                    Ok((position, present)) => {
                        let conversations = self.conversations.iter().copied().collect();
                        Saying::Subscribed { r#ref, conversations, position, present }.text()
                    }
                    Err(problem) => Saying::problem(r#ref, &problem).text(),
                };
                self.send(text).await
            }
            Said::Post { r#ref, message_id, conversation_id, content, idempotency_key } => {
                if self.posts.len() >= POSTS {
                    return self.send(Saying::problem(r#ref, &Problem::overload()).text()).await;
                }
                let (app, identity, headers) = (Arc::clone(&self.app), self.identity, self.headers.clone());
                let body = json!({"conversation_id": conversation_id, "content": content});
                let post = async move {
                    match post(&app, identity, &headers, message_id, &body, idempotency_key).await {
                        Ok((replayed, answer)) => Saying::Answer { r#ref, replayed, answer }.text(),
                        Err(problem) => Saying::problem(r#ref, &problem).text(),
                    }
                };
                self.posts.push(post.boxed());
                Ok(())
            }
        }
    }

    /// Listens to these conversations instead of those before.
    async fn subscribe(
        &mut self,
        conversations: Vec<Uuid>,
        after: Option<Position>,
    ) -> Result<(Position, Vec<Present>), Problem> {
        let wanted: HashSet<Uuid> = conversations.into_iter().collect();
        if wanted.len() > CONVERSATIONS {
            return Err(Problem::malformed_body("At most 50 conversations at once.").at("/conversations"));
        }
        if after.is_some_and(|after| after < 0) {
            return Err(Problem::malformed_body("A position is not negative.").at("/after"));
        }
        crate::live::check(&self.live, after).await?;
        let (whereabouts, viewer) = (self.live.whereabouts(), Some(self.identity.account));
        let head = log::head(&self.live.pool).await?.position;
        for conversation in &wanted {
            let audience = match whereabouts.node_of_conversation(*conversation).await? {
                Some(node) => Some(whereabouts.audience(node, head).await?),
                None => None,
            };
            // What may not be seen is not there.
            if !audience.is_some_and(|audience| audience.has(viewer)) {
                return Err(Problem::not_found("There is no such conversation.").at("/conversations"));
            }
        }
        let account = self.identity.account;
        let left: Vec<Uuid> = self.conversations.difference(&wanted).copied().collect();
        if !left.is_empty() {
            self.live.presence.say(Word::Gone { account, conversations: left }).await;
        }
        let position = after.unwrap_or_else(|| self.live.position());
        self.conversations = wanted;
        self.events = None;
        if !self.conversations.is_empty() {
            let filter =
                Filter { viewer, conversations: Some(self.conversations.clone()), ..Filter::default() };
            let (live, cut) = (Arc::clone(&self.live), self.cut.clone());
            self.events = Some(Listening::begin(live, filter, Some(position), cut).stream().boxed());
            let conversations: Vec<Uuid> = self.conversations.iter().copied().collect();
            self.live.presence.say(Word::Here { account, conversations }).await;
        }
        let present = self.conversations.iter().map(|conversation| Present {
            conversation_id: *conversation,
            accounts: self.live.presence.present(*conversation),
        });
        Ok((position, present.collect()))
    }

    async fn send(&mut self, text: String) -> Result<(), End> {
        self.put(Message::Text(text.into())).await
    }

    /// Sends one frame; who does not take it in time is not waited for.
    async fn put(&mut self, message: Message) -> Result<(), End> {
        let Self { socket, cut, .. } = self;
        tokio::select! {
            sent = timeout(SEND, socket.send(message)) => match sent {
                Ok(Ok(())) => Ok(()),
                _ => Err(End::SILENT),
            },
            () = cut.cancelled() => Err(End::SILENT),
        }
    }
}
