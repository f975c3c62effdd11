//! Suggestions reach their titles by index only, on a table as large as the places of the world.

use eventstore::generation;
use projections::{
    search::{PostgresSearch, SearchEngine},
    weave::registry,
};

use crate::support::own_cluster_with;

const NODES: i32 = 150_000;

#[tokio::test(flavor = "multi_thread")]
async fn suggestions_among_150000_nodes_read_no_whole_table() {
    let own = own_cluster_with(&[
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_timing", "off"),
    ])
    .await;
    generation::install(&own.env.owner_pool, &registry()).await.unwrap();
    let logs = || {
        let mut text = String::new();
        for entry in std::fs::read_dir(own.folder.path().join("logs")).unwrap() {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()));
        }
        text
    };
    // One title in three is a thousand times there: stepping over it must not mean reading it.
    sqlx::query(
        "insert into node_search_g1.node_search_start
         select gen_random_uuid(), word, case word when 0 then title else right(title, -7) end, title
         from (select 'garten ' || case when n % 3 = 0 then n % 50 else n end as title
               from generate_series(1, $1::integer) n) t, (values (0), (1)) w (word)",
    )
    .bind(NODES)
    .execute(&own.env.owner_pool)
    .await
    .unwrap();
    sqlx::raw_sql("analyze node_search_g1.node_search_start").execute(&own.env.owner_pool).await.unwrap();
    let before = logs().len();
    let engine = PostgresSearch::new(own.env.log.pg().clone());
    // More than the five executions after which Postgres may take a plan for any prefix.
    for prefix in ["g", "ga", "garten", "garten 4", "garten 49", "4", "49", "149999", "x", "garten 149999"] {
        let titles = engine.suggest(prefix, 10, 0).await.unwrap().titles;
        let expected = match prefix {
            "x" => 0,
            "149999" | "garten 149999" => 1,
            _ => 10,
        };
        assert_eq!(titles.len(), expected, "{prefix}: {titles:?}");
    }
    let plans = logs().split_off(before);
    assert!(plans.contains("node_search_start_whole") && plans.contains("node_search_start_later"));
    let rows = plans.lines().filter(|line| line.contains("on node_search_start"));
    for line in rows {
        assert!(!line.contains("Seq Scan") && !line.contains("Bitmap"), "{line}");
        let read: f64 = line
            .split("actual rows=")
            .nth(1)
            .map_or(0.0, |rest| rest.split(' ').next().unwrap().parse().unwrap());
        assert!(read <= 1.0, "a step reads one title: {line}");
    }
}
