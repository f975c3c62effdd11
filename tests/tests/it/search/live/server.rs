use embedded::{Cluster, Part, Parts, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Api, Installation};

/// A search engine of one's own, to be killed; ends with the value.
pub struct Engine {
    pub name: &'static str,
    pub cluster: Cluster,
    part: Part,
    /// Deleted after the server has ended.
    _folder: TempDir,
}

pub const PARTS: [Part; 2] = [Part::Typesense, Part::Meilisearch];

impl Engine {
    /// `None`, and a line that says why, where the program is not installed.
    pub async fn start(part: Part) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("wg-it-search-").tempdir().unwrap();
        let mut settings = Settings::for_tests(folder.path());
        if let Err(error) = embedded::installed(part, &settings.search_path) {
            println!("SKIPPED live: {error}");
            return None;
        }
        settings.parts = Parts::only(&[part]);
        let cluster = Cluster::start(settings, &|_| {}).await.unwrap();
        Some(Self { name: part.name(), cluster, part, _folder: folder })
    }

    fn endpoint(&self) -> &embedded::SearchEndpoint {
        let endpoints = self.cluster.endpoints();
        if self.part == Part::Typesense { &endpoints.typesense } else { &endpoints.meilisearch }
    }

    /// What a process has to know of it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let (url, key) = match self.part {
            Part::Typesense => ("TYPESENSE_URL", "TYPESENSE_API_KEY"),
            _ => ("MEILI_URL", "MEILI_API_KEY"),
        };
        let endpoint = self.endpoint();
        vec![
            (url, endpoint.url.clone()),
            (key, endpoint.key.clone()),
            ("SEARCH_ENGINES", self.name.to_owned()),
        ]
    }

    pub async fn api(&self, place: &Installation) -> Api {
        let environment = self.environment();
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        place.api_with(&environment).await
    }

    /// `replay …` with this engine: exit code, standard output, standard error.
    pub fn replay(&self, place: &Installation, arguments: &[&str]) -> (i32, String, String) {
        let output = place.command("replay").args(arguments).envs(self.environment()).output().unwrap();
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    pub fn kill(&mut self) {
        self.cluster.kill9(self.part);
    }

    pub async fn restart(&mut self) {
        self.cluster.restart(self.part).await.unwrap();
    }

    pub async fn version(&self) -> String {
        let endpoint = self.endpoint();
        let (path, field) = match self.part {
            Part::Typesense => ("debug", "version"),
            _ => ("version", "pkgVersion"),
        };
        let request = reqwest::Client::new()
            .get(format!("{}/{path}", endpoint.url))
            .header("X-TYPESENSE-API-KEY", &endpoint.key)
            .bearer_auth(&endpoint.key);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer[field].as_str().unwrap().to_owned()
    }

    /// Written down for `scripts/live-search.sh`, which says where.
    pub async fn note(&self, what: &str, value: Value) {
        let Ok(folder) = std::env::var("LIVE_SEARCH_NOTES") else { return };
        let note =
            json!({"engine": self.name, "version": self.version().await, "what": what, "value": value});
        let path = format!("{folder}/{}-{what}.json", self.name);
        std::fs::write(path, serde_json::to_vec(&note).unwrap()).unwrap();
    }
}
