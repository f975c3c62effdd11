//! Connections that cost their owner nothing: thousands of them keep nobody else out.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Client, Method};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use uuid::Uuid;

use crate::support::{Api, Installation, node};

const SLOW: usize = 2_000;

/// How a connection is slow.
#[derive(Clone, Copy)]
enum Slow {
    /// It says nothing at all.
    Silent,
    /// A byte of a head now and then.
    Head,
    /// A whole head, and a body that never ends.
    Body,
}

/// Connects again whenever it is sent away.
async fn hang(address: SocketAddr, slow: Slow, token: String) {
    loop {
        // Refused while the kernel's queue is full: the healthy ones wait in the same one.
        let Ok(mut stream) = TcpStream::connect(address).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let head = match slow {
            Slow::Silent => String::new(),
            Slow::Head => "GET /v1/nodes HTTP/1.1\r\nho".to_owned(),
            Slow::Body => format!(
                "POST /v1/nodes/{}/tie HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{",
                Uuid::now_v7()
            ),
        };
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = [0; 512];
        while stream.read(&mut answer).await.is_ok_and(|count| count > 0) {}
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// This process opens them all; the usual bound is 1,024 files.
fn may_open_that_many() -> bool {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = 4 * SLOW as u64;
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit { current: maximum.map_or(Some(wanted), |m| Some(m.min(wanted))), maximum },
        );
    }
    getrlimit(Resource::Nofile).current.is_none_or(|current| current >= wanted)
}

fn address(api: &Api) -> SocketAddr {
    api.url.trim_start_matches("http://").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_slow_connections_leave_a_healthy_client_unharmed() {
    if !may_open_that_many() {
        println!("SKIPPED slow connections: this machine allows too few open files");
        return;
    }
    let place = Installation::new().await;
    // Less room than they ask for.
    let api = place.api_with(&[("CONNECTIONS", "600"), ("CONNECTIONS_PER_ADDRESS", "600")]).await;
    let (_, token) = api.person(&place, "Ada").await;
    let kept = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let fresh = Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(20)).build().unwrap();
    let mut slow = JoinSet::new();
    for number in 0..SLOW {
        let kind = [Slow::Silent, Slow::Head, Slow::Body][number % 3];
        slow.spawn(hang(address(&api), kind, token.clone()));
    }
    let mut answered = 0;
    for turn in 0..60 {
        for client in [&kept, &fresh] {
            let url = format!("{}/v1/nodes/{}/tie", api.url, Uuid::now_v7());
            let request = client.request(Method::POST, url).bearer_auth(&token).json(&node("Garten"));
            let response = request.send().await.unwrap_or_else(|error| panic!("{turn}: {error:?}"));
            assert_eq!(response.status().as_u16(), 200, "{turn}");
            answered += 1;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(answered, 120);
    slow.abort_all();
    while slow.join_next().await.is_some() {}
    // Whoever was sent away had nothing done for him.
    assert_eq!(place.events().await, 1 + 2 * 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_connection_is_at_work_a_new_one_is_told_to_come_again() {
    use sqlx::Connection;
    let place = Installation::new().await;
    let api = place.api_with(&[("CONNECTIONS", "8")]).await;
    let (_, token) = api.person(&place, "Ada").await;
    // Nobody gets past the head: what is sent now stays under way for as long as we like.
    let mut owner = sqlx::PgConnection::connect_with(&place.log.owner_options).await.unwrap();
    let mut holding = owner.begin().await.unwrap();
    sqlx::query("select position from log_head for update").execute(&mut *holding).await.unwrap();
    let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut sending = vec![];
    for _ in 0..12 {
        let url = format!("{}/v1/nodes/{}/tie", api.url, Uuid::now_v7());
        let request = client.post(url).bearer_auth(&token).json(&node("Garten"));
        sending.push(tokio::spawn(
            async move { request.send().await.map(|response| response.status().as_u16()) },
        ));
        // One that has not asked yet would have to make room for the next.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    // Somebody is told so while all the others are at work.
    for turn in 0.. {
        if sending.iter().any(tokio::task::JoinHandle::is_finished) {
            break;
        }
        assert!(turn < 400, "nobody is turned away");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    holding.rollback().await.unwrap();
    let mut statuses = vec![];
    for sent in sending {
        statuses.push(sent.await.unwrap().unwrap());
    }
    statuses.sort_unstable();
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
}
