//! Ten rebuilds under readers: every answer is 200, and whole at the position it names.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use uuid::Uuid;

use crate::support::{Api, Installation, node};

/// What one answer said: its position, and how many nodes there were.
type Said = (i64, usize);

async fn hammer(api: Arc<Api>, path: &'static str, busy: Arc<AtomicBool>) -> Vec<Said> {
    let mut said: Vec<Said> = Vec::new();
    while busy.load(Ordering::SeqCst) {
        let reply = api.get(path, "").await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        let nodes = match reply.body["items"].as_array() {
            Some(items) => items.len(),
            None => usize::try_from(reply.body["nodes"].as_i64().unwrap()).unwrap(),
        };
        let position = reply.position();
        assert!(said.last().is_none_or(|(before, _)| *before <= position), "{path} went back: {reply:?}");
        said.push((position, nodes));
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_swaps_under_readers_show_no_gap_no_empty_answer_and_no_mixture() {
    let place = Arc::new(Installation::new().await);
    let api = Arc::new(place.api().await);
    let (_, ada) = api.person(&place, "Ada").await;
    let mut last = 0;
    for n in 0..15 {
        let path = format!("/v1/nodes/{}/tie", Uuid::now_v7());
        last = api.command(&ada, &path, node(&format!("Hammer {n}"))).await.position();
    }
    let paths = ["/v1/nodes?limit=1000", "/v1/stats", "/v1/search?q=hammer&limit=100"];
    for path in paths {
        assert_eq!(api.get_at(path, "", last).await.status, 200);
    }
    let busy = Arc::new(AtomicBool::new(true));
    let readers: Vec<_> =
        paths.iter().map(|path| tokio::spawn(hammer(Arc::clone(&api), path, Arc::clone(&busy)))).collect();
    let writer = tokio::spawn({
        let (api, ada, busy) = (Arc::clone(&api), ada.clone(), Arc::clone(&busy));
        async move {
            // Not more than one page of a search.
            for n in 15..95 {
                if !busy.load(Ordering::SeqCst) {
                    return;
                }
                let path = format!("/v1/nodes/{}/tie", Uuid::now_v7());
                let tied = api.command(&ada, &path, node(&format!("Hammer {n}"))).await;
                assert_eq!(tied.status, 200, "{tied:?}");
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    });
    for _ in 0..10 {
        let place = Arc::clone(&place);
        let rebuilt = tokio::task::spawn_blocking(move || {
            place.replay(&["rebuild", "node_map", "statistics", "node_search"])
        });
        let (code, out, error) = rebuilt.await.unwrap();
        assert_eq!(code, 0, "{out}\n{error}");
    }
    busy.store(false, Ordering::SeqCst);
    writer.await.unwrap();
    let generations: Vec<i32> = sqlx::query_scalar(
        "select generation from read.node_map_checkpoint union all
         select generation from read.statistics_checkpoint union all
         select generation from read.node_search_checkpoint",
    )
    .fetch_all(&place.log.owner_pool)
    .await
    .unwrap();
    assert_eq!(generations, [11, 11, 11]);
    let tied: Vec<i64> =
        sqlx::query_scalar("select position from events where type = 'NodeTied' order by position")
            .fetch_all(&place.log.owner_pool)
            .await
            .unwrap();
    for (path, reader) in paths.iter().zip(readers) {
        let said = reader.await.unwrap();
        assert!(said.len() > 50, "{path}: {} reads are no hammering", said.len());
        for (position, nodes) in said {
            let there = tied.partition_point(|tied| *tied <= position);
            assert_eq!(nodes, there, "{path} at position {position}");
        }
    }
}
