//! Whole processes that die, pause, stop and start again.

use std::time::Duration;

use embedded::Part;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Installation, node};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_commands_survive_kill_9_and_repeated_ones_answer_the_same() {
    let place = Installation::new().await;
    let mut api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let mut answers = vec![];
    for round in 0..3 {
        let sending = futures::future::join_all((0..40).map(|n| {
            let key = format!("{round}-{n}");
            let path = format!("/v1/nodes/{}/tie", Uuid::now_v7());
            let request = api
                .request(reqwest::Method::POST, &path)
                .bearer_auth(&token)
                .header("Idempotency-Key", &key)
                .json(&node("Garten"));
            async move {
                let answer = match request.send().await {
                    Ok(response) if response.status() == 200 => {
                        response.json::<serde_json::Value>().await.ok()
                    }
                    _ => None,
                };
                (path, key, answer)
            }
        }));
        let pid = api.pid().to_string();
        let killing = async {
            tokio::time::sleep(Duration::from_millis(3 + 7 * round)).await;
            std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
        };
        let (sent, ()) = tokio::join!(sending, killing);
        api.kill();
        api = place.api().await;
        for (path, key, answer) in sent {
            let headers = [("Idempotency-Key", key.as_str())];
            let again = api.command_with(&token, &path, node("Garten"), &headers).await;
            assert_eq!(again.status, 200, "{again:?}");
            if let Some(answer) = answer {
                assert_eq!(again.body, answer, "another answer than before the kill");
            }
            answers.push(again.body);
        }
    }
    let tied: i64 = sqlx::query_scalar("select count(*) from events where type = 'NodeTied'")
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap();
    assert_eq!(tied, 120, "each exactly once");
    assert_eq!(answers.len(), 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_what_is_under_way_and_ends_with_zero() {
    let place = Installation::new().await;
    let mut api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let path = format!("/v1/nodes/{}/tie", Uuid::now_v7());
    let reply = api.command(&token, &path, node("Garten")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(api.stop(), Some(0), "{}", api.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_read_models_go_on_while_nats_is_away() {
    let mut place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    place.nats.cluster.kill9(Part::Nats);
    let id = Uuid::now_v7();
    let tied = api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    assert_eq!(tied.status, 200, "a relay that cannot publish refuses no command: {tied:?}");
    let metrics = api.get("/metrics", "").await.text;
    let lag = metrics.lines().find_map(|line| line.strip_prefix("relay_lag_events "));
    assert!(lag.is_some_and(|lag| lag.parse::<f64>().unwrap() > 0.0), "a lag that nobody sees: {lag:?}");
    let mut page = api.get_at(&format!("/v1/nodes/{id}"), "", tied.position()).await;
    // The bound of one Min-Position may end while the silence is being noticed.
    for _ in 0..10 {
        if page.status == 200 {
            break;
        }
        page = api.get_at(&format!("/v1/nodes/{id}"), "", tied.position()).await;
    }
    assert_eq!(page.status, 200, "{page:?}");
    place.nats.cluster.restart(Part::Nats).await.unwrap();
    for _ in 0..600 {
        let at: i64 = sqlx::query_scalar("select coalesce(max(position), 0) from outbox")
            .fetch_one(&place.log.owner_pool)
            .await
            .unwrap();
        if at >= tied.position() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the relay did not catch up after NATS came back\n{}", api.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_so_in_one_sentence_and_ends_with_two() {
    let place = Installation::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    for (name, changes) in [
        ("taken port", vec![("PORT", taken.as_str())]),
        ("unreachable database", vec![("DATABASE_URL", "postgres://a:secretpw@127.0.0.1:1/x")]),
        ("unreachable key store", vec![("KEYS_DATABASE_URL", "postgres://a:secretpw@127.0.0.1:1/x")]),
        ("unreachable NATS", vec![("NATS_URL", "nats://a:secretpw@127.0.0.1:1")]),
        ("not a URL", vec![("DATABASE_URL", "hello")]),
        ("unknown role", vec![("ROLES", "cook")]),
    ] {
        let output = place
            .command("api")
            .arg("serve")
            .env("PORT", "0")
            .env("LOG", "error")
            .envs(changes)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{name}: {text}");
        assert!(!text.contains("secretpw") && !text.contains("panicked"), "{name}: {text}");
        assert!(!text.trim().is_empty(), "{name} ends without a word");
        assert!(output.stdout.is_empty(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let wide = place.data.path().join("wide-kek");
    std::fs::write(&wide, "00".repeat(32)).unwrap();
    let output = place.command("api").arg("serve").env("PORT", "0").env("KEK_FILE", &wide).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(json!(place.events().await), json!(0));
}
