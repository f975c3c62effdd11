//! `api` on its own private servers: what happens when one of them dies.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{binary, node};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// `api serve` on the private servers of this folder, and its URL.
fn start(folder: &std::path::Path) -> (Running, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = Command::new(binary("api"))
        .arg("serve")
        .env_remove("DATABASE_URL")
        .env("DATA_DIR", folder)
        .env("PORT", port.to_string())
        .env("LOG", "error")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).next();
    let running = Running(child);
    assert_eq!(ready, Some(format!("ready: http://127.0.0.1:{port}")));
    (running, format!("http://127.0.0.1:{port}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_server_that_is_killed_comes_back_and_nothing_is_lost() {
    let folder = tempfile::Builder::new().prefix("wg-it-own-api-").tempdir().unwrap();
    let (_running, url) = start(folder.path());
    let token = std::fs::read_to_string(folder.path().join("dev-token")).unwrap();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    for victim in ["postgres-log", "postgres-keys", "nats", "redis"] {
        kill_server(folder.path(), victim);
        // Until it is back: a refusal that says when to come again, never a hang or a 500.
        let path = format!("{url}/v1/nodes/{}/tie", Uuid::now_v7());
        let mut answer = None;
        for _ in 0..120 {
            let request = client.post(&path).bearer_auth(token.trim()).header("Idempotency-Key", victim);
            let response = request.json(&node(victim)).send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body: Value = response.json().await.unwrap();
            if status == 200 {
                answer = Some(body);
                break;
            }
            assert_eq!(status, 503, "{victim}: {body}");
            assert!(headers.contains_key("retry-after"), "{victim}: {body}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let position = answer.unwrap_or_else(|| panic!("{victim} never came back"))["position"].clone();
        let mut health = json!(null);
        for _ in 0..120 {
            health = client.get(format!("{url}/health/ready")).send().await.unwrap().json().await.unwrap();
            if health["status"] == "healthy" && health["position"] == position {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert_eq!(health["status"], "healthy", "{victim}: {health}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_owns_the_servers_is_killed_and_started_again_and_the_other_process_recovers() {
    let folder = tempfile::Builder::new().prefix("wg-it-two-apis-").tempdir().unwrap();
    let (mut owner, _) = start(folder.path());
    let (_other, url) = start(folder.path());
    let token = std::fs::read_to_string(folder.path().join("dev-token")).unwrap();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    let tie = async |key: &str| {
        let request = client.post(format!("{url}/v1/nodes/{}/tie", Uuid::now_v7()));
        let request = request.bearer_auth(token.trim()).header("Idempotency-Key", key).json(&node(key));
        request.send().await.unwrap()
    };
    assert_eq!(tie("before").await.status(), 200);
    owner.0.kill().unwrap();
    owner.0.wait().unwrap();
    // Its servers are replaced under the feet of the other one.
    let (_owner, _) = start(folder.path());
    let mut position = None;
    for turn in 0..240 {
        let response = tie(&format!("after-{turn}")).await;
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        if status == 200 {
            position = Some(body["position"].clone());
            break;
        }
        assert_eq!(status, 503, "{body}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let position = position.expect("the other process never found its servers again");
    // Not only Postgres: whatever it leans on is found again.
    let mut health = json!(null);
    for _ in 0..240 {
        health = client.get(format!("{url}/health/ready")).send().await.unwrap().json().await.unwrap();
        if health["status"] == "healthy" && health["position"].as_i64() >= position.as_i64() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("{health}");
}

/// kill -9 of one server, found by its working folder.
fn kill_server(data: &std::path::Path, part: &str) {
    let data = data.canonicalize().unwrap();
    let mut killed = false;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(folder) = std::fs::read_link(entry.path().join("cwd")) else { continue };
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else { continue };
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t")).unwrap_or("").to_owned();
        let of_postgres = std::fs::read_to_string(format!("/proc/{parent}/comm"));
        // The postmaster and not its children.
        let child = of_postgres.is_ok_and(|name| name.trim() == "postgres");
        if folder.starts_with(data.join(part)) && !child {
            killed |= Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success();
        }
    }
    assert!(killed, "{part} does not run");
}
