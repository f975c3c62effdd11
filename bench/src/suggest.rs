//! How long a suggestion takes while somebody types, over HTTP, among 150,000 nodes.
//!
//! Nothing stands beside it: what is judged is the time a person waits. The prefixes are those
//! that arrive when titles are typed letter by letter, so the shortest (which most titles begin
//! with) come as often as the longest.

use std::{net::SocketAddr, time::Duration};

use anyhow::{bail, ensure};
use embedded::Part;

use crate::{
    api::Api,
    arguments::Arguments,
    filled_log,
    http::{Connection, Request, caught_up, weavers},
    load::{Caller, Pace, drive},
    programs::Programs,
    progress::Progress,
    report::{Run, Target},
    rounds::Rounds,
    servers::Servers,
};

const CONNECTIONS: usize = 8;
const NAME: &str = "prefixes";
/// Milliseconds within which 99 of 100 answers are there.
const P99: f64 = 50.0;
/// For 150,000 nodes.
const CATCH_UP: Duration = Duration::from_secs(600);
/// What people type: a title, a later word of titles, something that is not there.
const TYPED: [&str; 4] = ["Werkstatt 14999", "Werkstätt 77", "4711", "Zwiebelkuchen"];

/// # Errors
/// A server or a program is missing, or a request fails.
pub async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Run>> {
    let (nodes, rounds, seconds) = if arguments.short { (5_000, 1, 2) } else { (150_000, 3, 10) };
    let programs = Programs::ready()?;
    let servers = Servers::start(arguments, &Part::NEEDED).await?;
    let api = Api::start(&programs.api, servers.data_dir()).await?;
    let people = weavers(&programs.api, servers.data_dir(), api.address(), 1).await?;
    let (owner, log) = servers.log(8).await?;
    filled_log::fill(&log, nodes).await?;
    ensure!(caught_up(&owner, CATCH_UP).await? <= CATCH_UP, "the read models did not catch up");
    let mut callers = vec![];
    for index in 0..CONNECTIONS {
        callers.push(Typist::connect(api.address(), &people[0].token, index).await?);
    }
    let pace = Pace { warm: Duration::from_secs(1), measure: Duration::from_secs(seconds) };
    let progress = Progress::steps("suggest", rounds);
    let mut done = Rounds::default();
    for round in 1..=rounds {
        progress.now(&format!("round {round} of {rounds}"));
        let (back, turn) = drive(callers, pace).await?;
        callers = back;
        progress.say(&format!("{NAME} {:.0}/s", turn.per_second));
        done.add(NAME, turn);
        progress.advance(1);
    }
    drop(callers);
    owner.close().await;
    log.pg().close().await;
    api.stop().await?;
    servers.stop().await?;
    let mut runs = done.runs("suggest", "requests/s");
    for run in runs.iter_mut().filter(|run| run.name.ends_with("/p99")) {
        *run = run.clone().judged(Target::AtMost, P99);
    }
    Ok(runs)
}

/// One keep-alive connection that types.
struct Typist {
    connection: Connection,
    requests: Vec<Vec<u8>>,
    next: usize,
}

impl Typist {
    async fn connect(address: SocketAddr, token: &str, index: usize) -> anyhow::Result<Self> {
        let requests: Vec<_> = prefixes()
            .map(|prefix| Request::get(&format!("/v1/search/suggest?q={}", encoded(&prefix)), token, ""))
            .collect();
        // Not all at the same letter.
        let next = index * requests.len() / CONNECTIONS;
        Ok(Self { connection: Connection::open(address).await?, requests, next })
    }
}

impl Caller for Typist {
    async fn call(&mut self) -> anyhow::Result<u64> {
        let request = &self.requests[self.next % self.requests.len()];
        self.next += 1;
        let answer = self.connection.ask(request).await?;
        if answer.status != 200 {
            bail!("a suggestion answered {}: {}", answer.status, answer.text());
        }
        Ok(1)
    }
}

/// Every beginning of what is typed.
fn prefixes() -> impl Iterator<Item = String> {
    TYPED.into_iter().flat_map(|typed| {
        let letters = typed.chars().count();
        (1..=letters).map(move |end| typed.chars().take(end).collect())
    })
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_typed_letter_by_letter() {
        let all: Vec<String> = prefixes().collect();
        assert_eq!((all[0].as_str(), all[1].as_str()), ("W", "We"));
        assert_eq!(all.len(), TYPED.iter().map(|typed| typed.chars().count()).sum::<usize>());
        assert_eq!(encoded("Ä 1"), "%C3%84%201");
    }
}
