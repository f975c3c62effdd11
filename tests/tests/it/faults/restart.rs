//! Processes that are asked to end, and others that take over meanwhile.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::Client;
use sqlx::Connection;
use uuid::Uuid;

use crate::support::{Api, Installation, node};

/// Commands that are under way when the process is asked to end.
const UNDER_WAY: usize = 20;

async fn appends_wait(place: &Installation) {
    for _ in 0..400 {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock' and query like '%append_batch%'",
        )
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap();
        if waiting > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no append waits for the head");
}

async fn is_refused(url: &str) -> bool {
    let address = url.trim_start_matches("http://").to_owned();
    for _ in 0..400 {
        match tokio::time::timeout(Duration::from_secs(3), tokio::net::TcpStream::connect(&address)).await {
            Ok(Err(_)) => return true,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_answers_every_command_that_is_under_way() {
    let place = Installation::new().await;
    let mut api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let before = place.events().await;
    // Nobody gets past the head: what is sent now stays under way for as long as we like.
    let mut owner = sqlx::PgConnection::connect_with(&place.log.owner_options).await.unwrap();
    let mut holding = owner.begin().await.unwrap();
    sqlx::query("select position from log_head for update").execute(&mut *holding).await.unwrap();
    let sending: Vec<_> = (0..UNDER_WAY)
        .map(|_| {
            let path = format!("/v1/nodes/{}/tie", Uuid::now_v7());
            let request = api.request(reqwest::Method::POST, &path).bearer_auth(&token).json(&node("Garten"));
            tokio::spawn(async move { request.send().await.map(|response| response.status().as_u16()) })
        })
        .collect();
    appends_wait(&place).await;
    api.signal("-TERM");
    assert!(is_refused(&api.url).await, "it takes new connections although it is asked to end");
    assert!(sending.iter().all(|sent| !sent.is_finished()), "answered without the head?");
    holding.rollback().await.unwrap();
    for sent in sending {
        assert_eq!(sent.await.unwrap().unwrap(), 200, "cut off by the end: {}", api.log());
    }
    assert_eq!(place.events().await, before + 2 * UNDER_WAY as i64);
    assert_eq!(api.wait(), Some(0), "{}", api.log());
}

/// Sends ties, each over a connection of its own, to one of those who serve; goes to another only
/// when a connection is refused, for then nothing was sent.
async fn call(urls: Arc<Mutex<Vec<String>>>, token: String, done: Arc<AtomicBool>) -> Result<u32, String> {
    let client =
        Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(20)).build().unwrap();
    let mut count = 0;
    while !done.load(Ordering::Relaxed) {
        let path = format!("/v1/nodes/{}/tie", Uuid::now_v7());
        let serving = urls.lock().unwrap().clone();
        let mut answered = false;
        for turn in 0..serving.len() {
            let url = format!("{}{path}", serving[(count as usize + turn) % serving.len()]);
            match client.post(url).bearer_auth(&token).json(&node("Garten")).send().await {
                Ok(response) if response.status() == 200 => {
                    answered = true;
                    break;
                }
                Ok(response) => return Err(format!("command {count} was answered {}", response.status())),
                Err(error) if error.is_connect() => {}
                Err(error) => return Err(format!("command {count}: {error:?}")),
            }
        }
        if !answered {
            return Err(format!("nobody serves command {count}"));
        }
        count += 1;
    }
    Ok(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_command() {
    let place = Installation::new().await;
    let mut serving: Vec<Api> = vec![place.api().await, place.api().await];
    let (_, token) = serving[0].person(&place, "Ada").await;
    let before = place.events().await;
    let urls = Arc::new(Mutex::new(serving.iter().map(|api| api.url.clone()).collect::<Vec<_>>()));
    let done = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> =
        (0..6).map(|_| tokio::spawn(call(Arc::clone(&urls), token.clone(), Arc::clone(&done)))).collect();
    for _ in 0..4 {
        // The old one goes while the other one serves; the next one comes before the other one goes.
        let mut old = serving.remove(0);
        assert_eq!(tokio::task::spawn_blocking(move || old.stop()).await.unwrap(), Some(0));
        serving.push(place.api().await);
        *urls.lock().unwrap() = serving.iter().map(|api| api.url.clone()).collect();
    }
    done.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for caller in callers {
        answered += caller.await.unwrap().unwrap();
    }
    assert!(answered >= 50, "{answered} commands are no load");
    assert_eq!(place.events().await, before + 2 * i64::from(answered));
    let (code, out, error) = place.replay(&["verify"]);
    assert_eq!(code, 0, "{out}{error}");
}
