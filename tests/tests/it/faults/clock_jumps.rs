//! Clocks that jump, of two processes on one log, while both take commands: time is in every event,
//! in tokens, windows and fading, and none of it may rest on a clock that only goes forward.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use kernel::ManualClock;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Api, Installation, node};

/// Back and forth, by more than any window or lease of ours; the tokens outlive them all.
const JUMPS: [i64; 8] = [3_600, -7_200, 86_400, -86_000, 59, -61, 604_800, -604_800];

/// Ties nodes and revises each of them, by turns through both, until told to end.
async fn call(urls: [Api; 2], token: String, done: Arc<AtomicBool>) -> Vec<Uuid> {
    let mut tied = vec![];
    while !done.load(Ordering::Relaxed) {
        let id = Uuid::now_v7();
        let [one, other] = [&urls[tied.len() % 2], &urls[(tied.len() + 1) % 2]];
        let reply = one.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        // The other process's clock may be days behind the one that tied it.
        let title = json!({"title": format!("Garten {}", tied.len())});
        let reply = other.command(&token, &format!("/v1/nodes/{id}/revise"), title).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        tied.push(id);
    }
    tied
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_back_and_forth_under_load_break_no_promise() {
    let place = Installation::new().await;
    // Tokens are issued by the real clock and refused before they are issued: these clocks are ahead
    // by more than they jump back.
    let began = Utc::now() + TimeDelta::days(30);
    let clocks = [(); 2].map(|()| Arc::new(ManualClock::at(began)));
    let (one, running_one) = place.api_on(Arc::clone(&clocks[0])).await;
    let (two, running_two) = place.api_on(Arc::clone(&clocks[1])).await;
    let account = Uuid::now_v7();
    let token = place.token_for(account, "", "60d");
    let body = json!({"title": "Ada", "email": "ada@example.org"});
    assert_eq!(one.command(&token, &format!("/v1/accounts/{account}/register"), body).await.status, 200);
    let done = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(call([one.again(), two.again()], token.clone(), Arc::clone(&done))))
        .collect();
    for (turn, jump) in JUMPS.into_iter().enumerate() {
        tokio::time::sleep(Duration::from_millis(300)).await;
        clocks[turn % 2].advance(TimeDelta::seconds(jump));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    done.store(true, Ordering::Relaxed);
    let mut tied = vec![];
    for caller in callers {
        tied.extend(caller.await.unwrap());
    }
    assert!(tied.len() >= 20, "{} nodes are no load", tied.len());

    // Within an aggregate time never goes back, and every event is there once.
    let rows: Vec<(Uuid, i64, String)> = sqlx::query_as(
        "select aggregate_id, version, metadata ->> 'occurred_at' from events
         where aggregate_type = 'node' order by aggregate_id, version",
    )
    .fetch_all(&place.log.owner_pool)
    .await
    .unwrap();
    assert_eq!(rows.len(), tied.len() * 2);
    let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let mut jumped = 0;
    for pair in rows.windows(2) {
        let [(id, version, before), (next, following, after)] = pair else { unreachable!() };
        if id == next {
            assert_eq!((*version, *following), (1, 2));
            assert!(time(before) <= time(after), "{id}: {before}, then {after}");
            jumped += usize::from(time(after) - time(before) > TimeDelta::minutes(30));
        }
    }
    assert!(jumped > 0, "no jump fell between two events of a node: nothing was tested");
    let (code, out, error) = place.replay(&["verify"]);
    assert_eq!(code, 0, "{out}{error}");
    running_one.stop().await.unwrap();
    running_two.stop().await.unwrap();
}
