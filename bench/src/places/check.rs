use std::{
    collections::BTreeSet,
    fmt,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::{Installation, dataset::Place, tie::Tied};
use crate::{
    api,
    http::{Connection, Request},
    programs::Programs,
    progress::Progress,
    report::{Run, Target},
};

/// Time for read models and stream to reach what was tied.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Degrees around a city's centre.
const AROUND: f64 = 0.75;

/// Cities whose surroundings are compared one by one; the last lies beside the antimeridian.
const CITIES: [(&str, &str); 6] = [
    ("Berlin", "de"),
    ("Nairobi", "ke"),
    ("Tokyo", "jp"),
    ("São Paulo", "br"),
    ("Reykjavík", "is"),
    ("Suva", "fj"),
];

/// Two parts of the system that should say the same and do not.
#[derive(Debug)]
pub struct Difference(String);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "difference: {}", self.0)
    }
}

impl std::error::Error for Difference {}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
    page: Page,
}

#[derive(Deserialize)]
struct Page {
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct OnMap {
    id: Uuid,
}

#[derive(Deserialize)]
struct Logged {
    position: i64,
    aggregate_id: Uuid,
}

/// Map, log, stream and read models, one after the other.
///
/// # Errors
/// The first [`Difference`], or what kept it from looking.
pub async fn all(
    programs: &Programs,
    installation: &Installation,
    places: &[Place],
    tied: &Tied,
) -> anyhow::Result<Vec<Run>> {
    let progress = Progress::steps("checks", 5 + CITIES.len());
    let mut asking = Asking::open(installation).await?;
    progress.now("waiting for the map");
    let waited = asking.caught_up(tied.position).await?;
    progress.advance(1);

    progress.now("the whole map, page by page");
    let map = asking.map("-180,-90,180,90").await?;
    let expected: BTreeSet<Uuid> = places.iter().map(|place| place.id).collect();
    same("the map of the world", &expected, &map, installation.fresh)?;
    progress.advance(1);
    for (city, country) in CITIES {
        let Some(centre) = places.iter().find(|place| place.title == city && place.country == country) else {
            continue;
        };
        progress.now(&format!("around {city}"));
        let bounds = Bounds::around(centre);
        let there = asking.map(&bounds.to_string()).await?;
        let within = places.iter().filter(|place| bounds.hold(place)).map(|place| place.id).collect();
        same(&format!("the map around {city}"), &within, &there, installation.fresh)?;
        progress.advance(1);
    }

    progress.now("the log, page by page");
    let log = asking.ties_in_log().await?;
    same("the log", &expected, &log, installation.fresh)?;
    progress.advance(1);
    progress.now("replay stream verify");
    let stream = stream(&programs.replay, &installation.data_dir).await?;
    progress.advance(1);
    progress.now("replay verify");
    replay(&programs.replay, &installation.data_dir, &["verify"]).await?;
    progress.advance(1);

    let count = |name: &str, number: usize| Run::new(&format!("places/{name}"), number as f64, "places");
    Ok(vec![
        Run::new("places/map-caught-up-after", waited.as_secs_f64(), "s")
            .judged(Target::AtMost, CATCH_UP.as_secs_f64()),
        count("tied", expected.len()),
        count("on-the-map", map.len()),
        count("in-the-log", log.len()),
        Run::new("places/in-the-stream", stream as f64, "events"),
    ])
}

/// `extra` are only wrong where nobody else ties.
fn same(what: &str, expected: &BTreeSet<Uuid>, found: &BTreeSet<Uuid>, fresh: bool) -> anyhow::Result<()> {
    if let Some(missing) = expected.difference(found).next() {
        let count = expected.difference(found).count();
        bail!(Difference(format!("{what} lacks {count} of {} places, first {missing}", expected.len())));
    }
    if let (true, Some(extra)) = (fresh, found.difference(expected).next()) {
        let count = found.difference(expected).count();
        bail!(Difference(format!("{what} has {count} nodes that nobody tied, first {extra}")));
    }
    Ok(())
}

struct Asking {
    connection: Connection,
    token: String,
}

impl Asking {
    async fn open(installation: &Installation) -> anyhow::Result<Self> {
        let token = api::dev_token(&installation.data_dir)?;
        Ok(Self { connection: Connection::open(installation.address).await?, token })
    }

    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> anyhow::Result<T> {
        let answer = self.connection.ask(&Request::get(path, &self.token, "")).await?;
        ensure!(answer.status == 200, "GET {path} answered {}: {}", answer.status, answer.text());
        serde_json::from_slice(answer.body).with_context(|| format!("the answer to GET {path}"))
    }

    /// Waits until the map shows the position.
    async fn caught_up(&mut self, position: i64) -> anyhow::Result<Duration> {
        let since = Instant::now();
        let headers = format!("min-position: {position}\r\n");
        let request = Request::get("/v1/nodes?limit=1", &self.token, &headers);
        loop {
            let answer = self.connection.ask(&request).await?;
            match answer.status {
                200 => return Ok(since.elapsed()),
                503 if since.elapsed() < CATCH_UP => tokio::time::sleep(Duration::from_millis(50)).await,
                503 => bail!(Difference(format!("the map is not at position {position} after 60 s"))),
                status => bail!("the map answered {status}: {}", answer.text()),
            }
        }
    }

    /// Ids of all nodes in a box, no id twice.
    async fn map(&mut self, bbox: &str) -> anyhow::Result<BTreeSet<Uuid>> {
        let mut found = BTreeSet::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/nodes?bbox={bbox}&limit=1000{cursor}");
            let list: List<OnMap> = self.get(&path).await?;
            for node in list.items {
                if !found.insert(node.id) {
                    bail!(Difference(format!("the map in {bbox} shows {} twice", node.id)));
                }
            }
            match list.page.next_cursor {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(found),
            }
        }
    }

    /// Ids of all nodes tied by the log's word, each once, in rising positions.
    async fn ties_in_log(&mut self) -> anyhow::Result<BTreeSet<Uuid>> {
        let (mut found, mut after, mut last) = (BTreeSet::new(), "0".to_owned(), 0);
        loop {
            let path = format!("/v1/audit/events?type=NodeTied&limit=1000&after={after}");
            let list: List<Logged> = self.get(&path).await?;
            for event in list.items {
                if event.position <= last || !found.insert(event.aggregate_id) {
                    bail!(Difference(format!("the log ties {} twice or out of order", event.aggregate_id)));
                }
                last = event.position;
            }
            match list.page.next_cursor {
                Some(next) => after = next,
                None => return Ok(found),
            }
        }
    }
}

/// How many events of the stream are those of the log: all of them.
async fn stream(program: &Path, data_dir: &Path) -> anyhow::Result<u64> {
    let since = Instant::now();
    loop {
        let said = replay(program, data_dir, &["stream", "verify"]).await?;
        let number = |field: &str| said[field].as_u64().unwrap_or_default();
        if number("not_published_yet") == 0 {
            return Ok(number("equal"));
        }
        if since.elapsed() > CATCH_UP {
            bail!(Difference(format!("the stream lacks {} events after 60 s", number("not_published_yet"))));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Runs `replay … --json`; its exit code 1 is a difference.
async fn replay(program: &Path, data_dir: &Path, words: &[&str]) -> anyhow::Result<Value> {
    let mut command = api::command(program);
    command.args(words).args(["--json", "--data-dir"]).arg(data_dir).stderr(Stdio::piped());
    let output = command.output().await.with_context(|| format!("run {}", program.display()))?;
    let name = format!("replay {}", words.join(" "));
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => serde_json::from_str(&said).with_context(|| format!("the answer of {name}")),
        Some(1) => bail!(Difference(format!("{name}: {}", said.trim()))),
        _ => bail!("{name} could not run: {}", String::from_utf8_lossy(&output.stderr).trim()),
    }
}

/// A box around a place, borders included; may cross the antimeridian.
struct Bounds {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Bounds {
    fn around(place: &Place) -> Self {
        let round = |degrees: f64| (degrees * 1e4).round() / 1e4;
        let lon = |degrees: f64| round((degrees + 540.0).rem_euclid(360.0) - 180.0);
        Self {
            west: lon(place.lon - AROUND),
            south: round((place.lat - AROUND).max(-90.0)),
            east: lon(place.lon + AROUND),
            north: round((place.lat + AROUND).min(90.0)),
        }
    }

    fn hold(&self, place: &Place) -> bool {
        let lon = if self.west <= self.east {
            self.west <= place.lon && place.lon <= self.east
        } else {
            self.west <= place.lon || place.lon <= self.east
        };
        lon && self.south <= place.lat && place.lat <= self.north
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{}", self.west, self.south, self.east, self.north)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(lat: f64, lon: f64) -> Place {
        let text = String::new;
        Place { id: Uuid::nil(), title: text(), address: text(), country: text(), lat, lon }
    }

    #[test]
    fn a_box_may_cross_the_antimeridian() {
        let bounds = Bounds::around(&place(-18.0, 179.5));
        assert_eq!(bounds.to_string(), "178.75,-18.75,-179.75,-17.25");
        assert!(bounds.hold(&place(-18.0, 179.9)) && bounds.hold(&place(-18.0, -179.9)));
        assert!(!bounds.hold(&place(-18.0, -179.0)) && !bounds.hold(&place(-19.0, 179.5)));
    }

    #[test]
    fn what_others_tied_matters_only_where_nobody_else_is() {
        let ours = BTreeSet::from([Uuid::from_u128(1)]);
        let more = BTreeSet::from([Uuid::from_u128(1), Uuid::from_u128(2)]);
        assert!(same("the map", &ours, &more, false).is_ok());
        assert!(same("the map", &ours, &more, true).unwrap_err().is::<Difference>());
        assert!(same("the map", &more, &ours, false).unwrap_err().is::<Difference>());
    }
}
