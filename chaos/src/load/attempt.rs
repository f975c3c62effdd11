use std::{net::SocketAddr, time::Duration};

use bench::http::{Connection, Request};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::{Door, Load, Op};
use crate::history::{Entry, Invoke};

/// The server answers a command within 5 s, also when it does not know its outcome.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(2);

/// What one attempt came to.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// 200, with this answer.
    Done(Value),
    /// Refused for good: nothing was written and asking again changes nothing.
    Refused(u16),
    /// Nothing was written; another time perhaps.
    Later,
    /// Nobody knows.
    Unknown,
    /// Nothing was even sent.
    NotSent,
}

/// One caller's connection, kept while it works.
#[derive(Default)]
pub struct Sender {
    open: Option<(SocketAddr, Connection)>,
}

impl Sender {
    async fn connection(&mut self, to: SocketAddr) -> Option<Connection> {
        match self.open.take() {
            Some((address, connection)) if address == to => Some(connection),
            _ => timeout(CONNECT, Connection::open(to)).await.ok()?.ok(),
        }
    }

    /// Sends the command once and writes down what came of it.
    pub async fn attempt(&mut self, load: &Load, op: &Op, door: Door, direct: bool) -> Outcome {
        let to = if direct { door.direct } else { door.proxied };
        let Some(mut connection) = self.connection(to).await else { return Outcome::NotSent };
        let mut attempt = 0;
        op.tell(|told| {
            told.attempts += 1;
            attempt = told.attempts;
        });
        let Op { number, path, body, person, key, trace, makes, .. } = op;
        let number = *number;
        load.history.tell(Entry::Invoke(Invoke {
            op: number,
            attempt,
            to: door.name.to_owned(),
            path: path.clone(),
            body: body.clone(),
            actor: person.id,
            key: key.clone(),
            trace: trace.clone(),
            makes: *makes,
        }));
        let mut headers = format!("traceparent: 00-{trace}-{}-01\r\n", &trace[16..]);
        if load.keyed {
            headers.push_str(&format!("idempotency-key: {key}\r\n"));
        }
        let request = Request::post(path, &person.token, &headers, &body.to_string());
        let since = Instant::now();
        let answered = timeout(PATIENCE, connection.ask(&request)).await;
        let took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let lost = |why: String| {
            op.tell(|told| told.unknown = true);
            let retry_after = false;
            load.history.tell(Entry::Unknown { op: number, attempt, took_ms, status: 0, why, retry_after });
            Outcome::Unknown
        };
        let answer = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return lost(error.root_cause().to_string()),
            Err(_) => return lost("no answer".to_owned()),
        };
        let (status, retry_after) = (answer.status, answer.has("retry-after"));
        let body: Value = serde_json::from_slice(answer.body).unwrap_or_default();
        self.open = Some((to, connection));
        if status == 200 {
            op.tell(|told| told.acknowledged = true);
            load.history.tell(Entry::Ok { op: number, attempt, took_ms, answer: body.clone() });
            return Outcome::Done(body);
        }
        let problem = body["type"].as_str().unwrap_or_default().rsplit([':', '/']).next();
        let problem = problem.unwrap_or_default().to_owned();
        // What a bare 5xx has done nobody knows either; that there is one is the checker's business.
        if problem == "outcome-unknown" || (status >= 500 && status != 503) {
            op.tell(|told| told.unknown = true);
            let why = problem;
            load.history.tell(Entry::Unknown { op: number, attempt, took_ms, status, why, retry_after });
            return Outcome::Unknown;
        }
        load.history.tell(Entry::Fail { op: number, attempt, took_ms, status, problem, retry_after });
        if matches!(status, 429 | 503) { Outcome::Later } else { Outcome::Refused(status) }
    }

    /// A query; only answers of the server's own failure are written down.
    pub async fn ask(&mut self, load: &Load, path: &str, min_position: i64, token: &str) -> Option<u16> {
        let to = load.query.proxied;
        let mut connection = self.connection(to).await?;
        let request = Request::get(path, token, &format!("min-position: {min_position}\r\n"));
        let answer = timeout(PATIENCE, connection.ask(&request)).await.ok()?.ok()?;
        let (status, retry_after) = (answer.status, answer.has("retry-after"));
        self.open = Some((to, connection));
        if status >= 500 {
            load.history.tell(Entry::Query { path: path.to_owned(), status, retry_after });
        }
        Some(status)
    }
}
