//! The load profile of the benchmark in seconds instead of minutes: every request is answered as
//! it should be, and what was answered is in the log. Nothing is said about how fast.

use bench::profile::{SHORT, through};

use crate::support::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn from_calm_to_crowded_every_request_is_answered_and_nothing_is_missing() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, admin) = api.admin(&place).await;
    let address = api.url.trim_start_matches("http://").parse().unwrap();
    let turns = through(address, &admin, &SHORT).await.unwrap();
    assert_eq!(turns.len(), SHORT.len());
    let asked: f64 = SHORT.iter().map(|phase| phase.per_second * phase.span.as_secs_f64()).sum();
    // Three in ten sign up and five in ten write, give or take what chance does.
    let (signed_up, written): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where type = 'AccountRegistered'),
                count(*) filter (where type in ('NodeTied', 'MessagePosted')) from events",
    )
    .fetch_one(&place.log.owner_pool)
    .await
    .unwrap();
    let share = |count: i64| count as f64 / asked;
    assert!((0.2..0.4).contains(&share(signed_up)), "{signed_up} of {asked}");
    assert!((0.4..0.6).contains(&share(written)), "{written} of {asked}");
    let (code, _, errors) = place.replay(&["verify"]);
    assert_eq!(code, 0, "{errors}");
}
