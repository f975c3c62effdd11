use async_nats::{Message, StatusCode};
use kernel::Position;
use serde::Deserialize;

/// What the stream says to one publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is at this sequence; it may have been there before.
    Stored { sequence: Position, duplicate: bool },
    /// The last sequence is another one. R1 servers since 2.15 say so to a repeated message too.
    WrongLast,
    /// Another stream has the subject: the epoch's stream was replaced.
    OtherStream,
    /// Nobody listens on the subject: the stream is gone, or JetStream is not up yet.
    Nobody,
    /// Not now; the server's error code.
    Busy(u64),
}

#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    seq: i64,
    #[serde(default)]
    duplicate: bool,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
}

impl Answer {
    pub fn of(message: &Message) -> Self {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Self::Nobody;
        }
        Self::parse(&message.payload)
    }

    fn parse(payload: &[u8]) -> Self {
        match serde_json::from_slice::<Ack>(payload) {
            Ok(Ack { error: None, seq, duplicate: true }) if seq <= 0 => {
                // Clustered servers have answered a repeat like this while the first copy was on
                // its way (nats-server PR#6415): neither yes nor no.
                Self::Busy(0)
            }
            Ok(Ack { error: None, seq, duplicate }) => Self::Stored { sequence: seq, duplicate },
            Ok(Ack { error: Some(refusal), .. }) => match refusal.err_code {
                10071 | 10164 => Self::WrongLast,
                10060 => Self::OtherStream,
                code => Self::Busy(code),
            },
            Err(_) => Self::Busy(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_of_every_server_is_understood() {
        let stored = |sequence, duplicate| Answer::Stored { sequence, duplicate };
        for (text, expected) in [
            (r#"{"stream":"EVENTS","seq":7}"#, stored(7, false)),
            (r#"{"stream":"EVENTS","domain":"hub","seq":7,"duplicate":true}"#, stored(7, true)),
            (r#"{"stream":"EVENTS","seq":0,"duplicate":true}"#, Answer::Busy(0)),
            (
                r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"},"stream":"EVENTS","seq":0}"#,
                Answer::WrongLast,
            ),
            (
                r#"{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"}}"#,
                Answer::WrongLast,
            ),
            (
                r#"{"error":{"code":400,"err_code":10060,"description":"expected stream does not match"}}"#,
                Answer::OtherStream,
            ),
            (
                r#"{"error":{"code":503,"err_code":10023,"description":"insufficient resources"}}"#,
                Answer::Busy(10023),
            ),
            (
                r#"{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"}}"#,
                Answer::Busy(10158),
            ),
            ("", Answer::Busy(0)),
        ] {
            assert_eq!(Answer::parse(text.as_bytes()), expected, "{text}");
        }
    }
}
