use std::{fmt::Write as _, time::Duration};

use async_nats::Message;
use futures::StreamExt;
use kernel::Position;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Relay, RelayError, RelayState, RelayStats, answer::Answer};
use crate::stream::StreamError;

/// How long the answers to what is still on its way are waited for after a refusal.
const DRAIN: Duration = Duration::from_secs(1);

/// Why nothing more is sent until the stream was asked again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trouble {
    until: Instant,
    /// The server said "not now", with this code: pause before asking.
    busy: Option<u64>,
}

impl Relay {
    /// Sends what is ready, as far as the window goes, without waiting for answers.
    pub(super) async fn publish(&mut self) -> Result<(), RelayError> {
        if self.trouble.is_some() || !self.source.has_ready() {
            return Ok(());
        }
        // The client's queue stands still while the server does.
        match timeout(self.config.ack_timeout, self.send_burst()).await {
            Ok(result) => result?,
            Err(_) => return self.unknown("publish"),
        }
        kernel::crash_point!("relay.after-publish");
        Ok(())
    }

    async fn send_burst(&mut self) -> Result<(), RelayError> {
        while self.window.in_flight() < self.config.window
            && let Some(message) = self.source.take()
        {
            debug_assert_eq!(message.position, self.window.sent() + 1);
            let mut reply = String::with_capacity(self.inbox_prefix.len() + 24);
            // Writing into a string cannot fail.
            let _ = write!(reply, "{}{}.{}", self.inbox_prefix, self.generation, message.position);
            self.client
                .nats()
                .publish_with_reply_and_headers(message.subject, reply, message.headers, message.body)
                .await
                .map_err(|error| StreamError::Unreachable(error.kind().to_string()))?;
            self.window.send();
        }
        Ok(())
    }

    /// Waits until something happens: answers, the next page, another connection, or too long
    /// nothing.
    pub(super) async fn collect(&mut self) -> Result<(), RelayError> {
        let open = self.window.open();
        let room = self.window.in_flight() < self.config.window;
        let deadline = self.trouble.map_or(self.window.last_sign() + self.config.ack_timeout, |t| t.until);
        let Some(inbox) = &mut self.inbox else { return Ok(()) };
        tokio::select! {
            answers = inbox.next(), if open > 0 => match answers {
                Some(answers) => answers.iter().try_for_each(|message| self.take_answer(message))?,
                None => return Err(StreamError::Unreachable("the client is closed".to_owned()).into()),
            },
            page = self.source.page(), if self.source.is_reading() && room => page?,
            _ = self.changes.changed() => self.synced = false,
            () = sleep_until(deadline), if open > 0 => {
                if self.trouble.is_none() {
                    return self.unknown("publish");
                }
            }
        }
        self.leave_trouble().await
    }

    fn take_answer(&mut self, message: &Message) -> Result<(), RelayError> {
        let Some(position) = self.position_asked(message) else { return Ok(()) };
        self.window.signed();
        let answer = Answer::of(message);
        match answer {
            Answer::Stored { sequence, duplicate } if sequence == position => {
                let moved = self.window.confirm(position);
                RelayStats::add(&self.stats.published, moved);
                RelayStats::add(&self.stats.duplicates, u64::from(duplicate));
                self.stats.progress.reached(self.window.confirmed());
                if self.stats.refusal().is_some() {
                    self.stats.set_refusal(None);
                    self.stats.set_state(RelayState::Publishing);
                }
                return Ok(());
            }
            Answer::Stored { .. } => {
                return Err(RelayError::Fork { position, why: "stored at another sequence" });
            }
            Answer::OtherStream | Answer::Nobody => self.checked = false,
            Answer::WrongLast | Answer::Busy(_) => {}
        }
        self.window.refuse();
        let trouble = self.trouble.get_or_insert(Trouble { until: Instant::now() + DRAIN, busy: None });
        match answer {
            Answer::Busy(code) => trouble.busy = Some(code),
            Answer::Nobody => trouble.busy = Some(503),
            _ => {}
        }
        Ok(())
    }

    /// The position an answer belongs to; None when it was asked before the last sync.
    fn position_asked(&self, message: &Message) -> Option<Position> {
        let (generation, position) = message.subject.strip_prefix(&self.inbox_prefix)?.split_once('.')?;
        (generation.parse() == Ok(self.generation)).then(|| position.parse().ok())?
    }

    /// After a refusal: once nothing is on its way any more, ask the stream.
    async fn leave_trouble(&mut self) -> Result<(), RelayError> {
        let Some(trouble) = self.trouble else { return Ok(()) };
        if self.window.open() > 0 && Instant::now() < trouble.until {
            return Ok(());
        }
        self.trouble = None;
        self.synced = false;
        match trouble.busy {
            None => Ok(()),
            Some(code) => Err(StreamError::Refused {
                what: "publish",
                code,
                description: "the message was not taken".to_owned(),
            }
            .into()),
        }
    }

    /// No answer: it may be there or not. The stream knows.
    fn unknown(&mut self, what: &'static str) -> Result<(), RelayError> {
        self.synced = false;
        Err(StreamError::Timeout { what }.into())
    }
}
