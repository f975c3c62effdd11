//! Real `api` processes on databases and a NATS server of their own.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use api::{
    boot::{Running, build_with},
    settings::Cli,
};
use clap::Parser;
use embedded::NatsUser;
use kernel::ManualClock;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use tempfile::TempDir;
use uuid::Uuid;

use super::{KeysEnv, LogEnv, NatsEnv, keys_env, log_env, nats_env};

/// The servers and the folder that all processes of one installation share.
pub struct Installation {
    pub log: LogEnv,
    pub keys: KeysEnv,
    pub nats: NatsEnv,
    pub data: TempDir,
    client: Client,
}

/// One `api serve`, killed when dropped; or one within the test's own process.
pub struct Api {
    child: Option<Child>,
    pub url: String,
    client: Client,
    /// Everything it wrote to standard error.
    log: Arc<Mutex<String>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The last part of a problem document's type; checks the document's form.
    pub fn problem(&self) -> &str {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        assert!(self.body["title"].is_string() && self.body["detail"].is_string(), "{self:?}");
        let kind = self.body["type"].as_str().expect("a problem has a type");
        kind.rsplit([':', '/']).next().unwrap()
    }

    pub fn position(&self) -> i64 {
        self.body["position"].as_i64().unwrap_or_else(|| panic!("no position in {self:?}"))
    }
}

/// A binary of this workspace, beside the test's own.
pub fn binary(name: &str) -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: run the tests by `make test`", path.display());
    path
}

impl Installation {
    pub async fn new() -> Self {
        let (log, keys, nats) = (log_env().await, keys_env().await, nats_env().await);
        let data = tempfile::Builder::new().prefix("wg-it-data-").tempdir().unwrap();
        let client = Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        Self { log, keys, nats, data, client }
    }

    /// The environment of every process of this installation.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let url = |options: &sqlx::postgres::PgConnectOptions| options.to_url_lossy().to_string();
        vec![
            ("DATA_DIR", self.data.path().display().to_string()),
            ("DATABASE_URL", url(&self.log.options)),
            ("OWNER_DATABASE_URL", url(&self.log.owner_options)),
            ("KEYS_DATABASE_URL", self.keys.keys_database_url.clone()),
            ("KEYS_OWNER_DATABASE_URL", self.keys.keys_owner_database_url.clone()),
            ("NATS_URL", self.nats.url_for(NatsUser::App)),
            ("NATS_RELAY_URL", self.nats.url_for(NatsUser::Relay)),
            ("STREAM_MAX_BYTES", "256MiB".to_owned()),
            ("STREAM_DEDUPE", "2m".to_owned()),
            // Also where other engines are installed: what they do has tests of its own.
            ("SEARCH_ENGINES", "postgres".to_owned()),
        ]
    }

    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(binary(name));
        command.env_clear().envs(self.environment());
        for name in ["PATH", "HOME", "LD_LIBRARY_PATH"] {
            if let Ok(value) = std::env::var(name) {
                command.env(name, value);
            }
        }
        command
    }

    pub async fn api(&self) -> Api {
        self.api_with(&[]).await
    }

    pub async fn api_with(&self, extra: &[(&str, &str)]) -> Api {
        // Free now; whoever takes it first makes the start fail, and then the test.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = self
            .command("api")
            .arg("serve")
            .env("PORT", port.to_string())
            .env("LOG", "warn")
            .envs(extra.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (sink, errors) = (Arc::clone(&log), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut text = sink.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        let out = child.stdout.take().unwrap();
        let ready = tokio::task::spawn_blocking(move || {
            BufReader::new(out).lines().map_while(Result::ok).find(|line| line.starts_with("ready: "))
        });
        let line =
            tokio::time::timeout(Duration::from_secs(90), ready).await.expect("ready in time").unwrap();
        let Some(line) = line else { panic!("api did not start:\n{}", log.lock().unwrap()) };
        let url = line.trim_start_matches("ready: ").to_owned();
        Api { child: Some(child), url, client: self.client.clone(), log }
    }

    /// Serves within this process on a clock that the test moves; to be stopped by the test.
    pub async fn api_on(&self, clock: Arc<ManualClock>) -> (Api, Running) {
        let flags = self
            .environment()
            .into_iter()
            .flat_map(|(name, value)| [format!("--{}", name.to_lowercase().replace('_', "-")), value]);
        let arguments = ["api", "serve", "--port", "0"].map(str::to_owned).into_iter().chain(flags);
        let settings = match Cli::try_parse_from(arguments).unwrap().command {
            Some(api::settings::Command::Serve(settings)) => settings,
            other => panic!("{other:?}"),
        };
        let running = build_with(&settings, clock, &|_| {}).await.unwrap();
        let url = format!("http://{}", running.address());
        let log = Arc::default();
        (Api { child: None, url, client: self.client.clone(), log }, running)
    }

    /// A token for this account.
    pub fn token(&self, account: Uuid, roles: &str) -> String {
        self.token_for(account, roles, "24h")
    }

    /// A token for this account that is good for as long as `ttl` says.
    pub fn token_for(&self, account: Uuid, roles: &str, ttl: &str) -> String {
        let mut command = self.command("api");
        command.args(["token", "--account", &account.to_string(), "--ttl", ttl]);
        if !roles.is_empty() {
            command.args(["--roles", roles]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs `replay …` and returns exit code, standard output, standard error.
    pub fn replay(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self
            .command("replay")
            .args(arguments)
            .env("NATS_URL", self.nats.url_for(NatsUser::Admin))
            .output()
            .unwrap();
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    /// Events in the log.
    pub async fn events(&self) -> i64 {
        sqlx::query_scalar("select count(*) from events").fetch_one(&self.log.owner_pool).await.unwrap()
    }
}

impl Api {
    /// For another caller of the same process; ends nothing when dropped.
    pub fn again(&self) -> Self {
        let (url, client, log) = (self.url.clone(), self.client.clone(), Arc::clone(&self.log));
        Self { child: None, url, client, log }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn send(&self, request: RequestBuilder) -> Reply {
        let response = request.send().await.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Reply { status, headers, body, text }
    }

    pub async fn get(&self, path: &str, token: &str) -> Reply {
        let mut request = self.request(Method::GET, path);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        self.send(request).await
    }

    /// GET that waits for a position.
    pub async fn get_at(&self, path: &str, token: &str, position: i64) -> Reply {
        let mut request = self.request(Method::GET, path).header("Min-Position", position);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        self.send(request).await
    }

    /// GET of a search that this engine answers, from a position on: asked again while another
    /// one does, which is right but not what is looked at here.
    pub async fn get_by(&self, engine: &str, path: &str, token: &str, position: i64) -> Reply {
        let since = std::time::Instant::now();
        loop {
            let reply = self.get_at(path, token, position).await;
            assert_eq!(reply.status, 200, "{path}: {reply:?}");
            assert!(reply.body["engine_position"].as_i64().unwrap() >= position, "{reply:?}");
            if reply.body["engine"] == engine {
                return reply;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{engine} does not answer: {reply:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn command(&self, token: &str, path: &str, body: Value) -> Reply {
        self.command_with(token, path, body, &[]).await
    }

    pub async fn command_with(
        &self,
        token: &str,
        path: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request = self.request(Method::POST, path).bearer_auth(token).json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    /// Registers a new account by itself; its id and token.
    pub async fn person(&self, installation: &Installation, title: &str) -> (Uuid, String) {
        let id = Uuid::now_v7();
        let token = installation.token(id, "");
        let body = json!({"title": title, "email": format!("{}@example.org", id.simple())});
        let reply = self.command(&token, &format!("/v1/accounts/{id}/register"), body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        (id, token)
    }

    /// A registered account with the platform role admin.
    pub async fn admin(&self, installation: &Installation) -> (Uuid, String) {
        let (id, _) = self.person(installation, "Admin").await;
        (id, installation.token(id, "admin"))
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn child(&self) -> &Child {
        self.child.as_ref().expect("a process of its own")
    }

    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.wait()
    }

    /// Its exit code, when it has ended.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.as_mut().expect("a process of its own").wait().unwrap().code()
    }
}

impl Drop for Installation {
    /// An `api` that was killed has left its private Redis running; nobody starts here again to
    /// find it.
    fn drop(&mut self) {
        let record = std::fs::read(self.data.path().join("servers.json")).unwrap_or_default();
        let record: Value = serde_json::from_slice(&record).unwrap_or_default();
        for server in record["servers"].as_object().into_iter().flat_map(|servers| servers.values()) {
            let Some(pid) = server["pid"].as_u64() else { continue };
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.starts_with("redis-server") {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            }
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The body of a good tie.
pub fn node(title: &str) -> Value {
    json!({
        "title": title, "kind": "garten", "address": "Musterweg, Hamburg",
        "location": {"lat": 53.55, "lon": 9.99}, "tags": ["thema:natur"],
    })
}
