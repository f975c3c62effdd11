//! Every named crash point of a serving process, three passes each: it dies exactly there, starts
//! again, and nothing is lost, doubled or torn.

use std::{
    collections::{BTreeSet, HashMap},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use kernel::crash::{POINTS, Sweep};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Api, Installation, binary, node};

const PASSES: u32 = 3;
/// Until a point has been reached.
const PATIENCE: Duration = Duration::from_secs(60);
const SIGABRT: i32 = 6;
/// Events behind which a loaded aggregate gets a snapshot.
const LONG: usize = 100;

fn in_the_sources(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            in_the_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split("crash_point!(\"").skip(1) {
                found.extend(part.split('"').next().map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_crash_point_of_the_sources_is_in_a_sweep() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = BTreeSet::new();
    for entry in std::fs::read_dir(root).unwrap().flatten() {
        let folder = entry.path().join("src");
        if folder.is_dir() {
            in_the_sources(&folder, &mut sources);
        }
    }
    let listed: BTreeSet<String> = POINTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed.len(), POINTS.len(), "a name means one place");
    assert_eq!(sources, listed, "kernel::crash::POINTS says which sweep drives which point");
    // The other sweeps stand elsewhere, and have to name what they take.
    let elsewhere = [
        (Sweep::Rebuilding, "generation/sweep.rs", ""),
        (Sweep::Indexing, "search/sweep.rs", ""),
        (Sweep::Forgetting, "forget/steps.rs", "forget."),
        (Sweep::Redacting, "forget/redaction.rs", "redact."),
        (Sweep::Rotating, "forget/keys.rs", ""),
    ];
    for (whose, file, prefix) in elsewhere {
        let text = std::fs::read_to_string(root.join("tests/tests/it").join(file)).unwrap();
        for (name, _) in POINTS.iter().filter(|(_, sweep)| *sweep == whose) {
            let name = name.strip_prefix(prefix).unwrap();
            assert!(text.contains(&format!("\"{name}")), "{file} does not sweep {name}");
        }
    }
}

/// A command that is sent until it is answered, across deaths.
struct Sent {
    path: String,
    key: String,
    body: Value,
    token: String,
    answer: Option<Value>,
}

struct Line {
    place: Installation,
    client: Client,
    token: String,
    sent: Vec<Sent>,
    /// So many of them have their answer, asked for twice.
    settled: usize,
    long: Vec<Uuid>,
}

/// A process that may die at any moment.
struct Victim {
    child: std::process::Child,
    url: String,
}

impl Victim {
    fn is_dead(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Line {
    async fn new() -> Self {
        let place = Installation::new().await;
        let api = place.api().await;
        let (_, token) = api.person(&place, "Ada").await;
        let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let mut line = Self { place, client, token, sent: vec![], settled: 0, long: vec![] };
        for _ in 0..PASSES {
            let id = Uuid::now_v7();
            line.long.push(id);
            let token = line.token.clone();
            line.send(&api.url, &token, format!("/v1/nodes/{id}/tie"), node("Lang")).await;
        }
        line
    }

    /// Sends one command once; whatever comes of it is kept.
    async fn send(&mut self, url: &str, token: &str, path: String, body: Value) {
        let key = format!("sweep-{}", self.sent.len());
        let mut sent = Sent { path, key, body, token: token.to_owned(), answer: None };
        sent.answer = self.try_once(url, &sent).await;
        self.sent.push(sent);
    }

    async fn try_once(&self, url: &str, sent: &Sent) -> Option<Value> {
        let request = self
            .client
            .request(Method::POST, format!("{url}{}", sent.path))
            .bearer_auth(&sent.token)
            .header("Idempotency-Key", &sent.key)
            .json(&sent.body);
        let response = request.send().await.ok()?;
        let status = response.status();
        let body = response.json().await.ok()?;
        assert!(matches!(status.as_u16(), 200 | 503), "{status}: {body}");
        (status == 200).then_some(body)
    }

    /// Enough of everything that every point is passed: ties, messages, long aggregates that are
    /// read anew, somebody who leaves works behind.
    async fn drive(&mut self, victim: &mut Victim, deep: bool) {
        let since = Instant::now();
        let url = victim.url.clone();
        while !victim.is_dead() {
            assert!(since.elapsed() < PATIENCE, "the point is never reached");
            let token = self.token.clone();
            if deep {
                for id in self.long.clone() {
                    let body = json!({"summary": format!("Stand {}", self.sent.len())});
                    self.send(&url, &token, format!("/v1/nodes/{id}/revise"), body).await;
                }
            }
            let person = Uuid::now_v7();
            let own = self.place.token(person, "");
            let register = json!({"title": "Gast", "email": format!("{}@example.org", person.simple())});
            self.send(&url, &own, format!("/v1/accounts/{person}/register"), register).await;
            if self.sent.last().is_some_and(|sent| sent.answer.is_none()) {
                continue;
            }
            self.send(&url, &own, format!("/v1/nodes/{}/tie", Uuid::now_v7()), node("Garten")).await;
            if self.sent.last().is_some_and(|sent| sent.answer.is_none()) {
                // Who has left may not tie any more, not even for the second time.
                continue;
            }
            self.send(&url, &own, format!("/v1/accounts/{person}/leave"), json!({})).await;
            // What follows the log needs a moment to pass its points.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts `api` with a point armed; it may die before it is ready.
    fn victim(&self, armed: &str) -> Victim {
        use std::io::{BufRead, BufReader};
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = self
            .place
            .command("api")
            .arg("serve")
            .env("PORT", port.to_string())
            .env("LOG", "error")
            .env("CRASH_AT", armed)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        // Ready or dead; nobody reads on, and nothing more is said.
        let _ = out.lines().map_while(Result::ok).find(|line| line.starts_with("ready: "));
        Victim { child, url: format!("http://127.0.0.1:{port}") }
    }

    /// Everything that was sent is asked again: what was acknowledged gets the same answer, the
    /// rest is settled now.
    async fn settle(&mut self, api: &Api) {
        for index in self.settled..self.sent.len() {
            let sent = &self.sent[index];
            let since = Instant::now();
            let answer = loop {
                if let Some(answer) = self.try_once(&api.url, sent).await {
                    break answer;
                }
                assert!(since.elapsed() < PATIENCE, "never answered: {}", sent.path);
            };
            if let Some(first) = &sent.answer {
                assert_eq!(&answer, first, "another answer than before the death: {}", sent.path);
            }
            self.sent[index].answer = Some(answer);
        }
        self.settled = self.sent.len();
    }

    /// The log holds exactly what was answered and what the reactor made of it.
    async fn check(&self, point: &str) {
        let rows: Vec<(i64, Uuid, Uuid, i64, bool)> = sqlx::query_as(
            "select position, event_id, aggregate_id, version, metadata ->> 'actor' = 'system'
             from events order by position",
        )
        .fetch_all(&self.place.log.owner_pool)
        .await
        .unwrap();
        let mut versions: HashMap<Uuid, i64> = HashMap::new();
        for (expected, (position, _, aggregate, version, _)) in (1..).zip(&rows) {
            assert_eq!(*position, expected, "{point}: a gap");
            let last = versions.entry(*aggregate).or_default();
            *last += 1;
            assert_eq!(version, last, "{point}: versions of {aggregate}");
        }
        let mut told = 0;
        for event in
            self.sent.iter().flat_map(|sent| sent.answer.as_ref().unwrap()["events"].as_array().unwrap())
        {
            let position = event["position"].as_i64().unwrap();
            let row = &rows[usize::try_from(position - 1).unwrap()];
            assert_eq!(json!(row.1), event["event_id"], "{point}: position {position}");
            told += 1;
        }
        let others = rows.iter().filter(|row| row.4).count();
        // Ada registered herself before anything was counted.
        assert_eq!(rows.len(), told + others + 1, "{point}: something was done twice, or by halves");
    }

    /// Every account that left has its one node unbound, once.
    async fn until_reacted(&self, point: &str) {
        let since = Instant::now();
        loop {
            let (left, unbound, nodes): (i64, i64, i64) = sqlx::query_as(
                "select count(*) filter (where type = 'AccountLeft'),
                        count(*) filter (where type = 'NodeCreatorUnbound'),
                        count(distinct aggregate_id) filter (where type = 'NodeCreatorUnbound')
                 from events",
            )
            .fetch_one(&self.place.log.owner_pool)
            .await
            .unwrap();
            assert!(
                unbound <= left && unbound == nodes,
                "{point}: {unbound} of {left} unbound, {nodes} nodes"
            );
            if left == unbound {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{point}: {unbound} of {left} unbound");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stream and read models say the same as the log.
    async fn compare(&self, point: &str) {
        let since = Instant::now();
        loop {
            let (code, out, error) = self.place.replay(&["stream", "verify", "--json"]);
            let told: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{point}: {error}"));
            assert_eq!(told["first_difference"], Value::Null, "{point}: {out}");
            if code == 0 && told["not_published_yet"] == 0 {
                break;
            }
            assert!(since.elapsed() < PATIENCE, "{point}: the relay does not come back: {out}");
        }
        let (code, out, error) = self.place.replay(&["verify"]);
        assert_eq!(code, 0, "{point}: {out}{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_at_any_named_point_comes_back_with_nothing_lost_or_doubled() {
    let bytes = std::fs::read(binary("api")).unwrap();
    assert!(
        bytes.windows(8).any(|window| window == b"CRASH_AT"),
        "api was built without crash points: run the tests by `make test`, or build with \
         --features kernel/crash-points"
    );
    let mut line = Line::new().await;
    for (point, _) in POINTS.iter().filter(|(_, sweep)| *sweep == Sweep::Serving) {
        for pass in 1..=PASSES {
            let deep = *point == "snapshot.before-save";
            if deep {
                // As many new events as make a snapshot worth it, for each pass and each node.
                let api = line.place.api().await;
                for id in line.long.clone() {
                    for _ in 0..LONG {
                        let body = json!({"summary": format!("Stand {}", line.sent.len())});
                        let token = line.token.clone();
                        line.send(&api.url, &token, format!("/v1/nodes/{id}/revise"), body).await;
                    }
                }
            }
            let mut victim = line.victim(&format!("{point}:{pass}"));
            line.drive(&mut victim, deep).await;
            let status = victim.child.wait().unwrap();
            assert_eq!(status.signal(), Some(SIGABRT), "{point}, pass {pass}: it ended otherwise: {status}");
            drop(victim);
            let api = line.place.api().await;
            line.settle(&api).await;
            line.until_reacted(point).await;
            line.check(point).await;
            if pass == PASSES {
                line.compare(point).await;
            }
        }
    }
}
