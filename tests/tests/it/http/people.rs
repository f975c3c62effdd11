//! Who may do what, and uniqueness of e-mail addresses.

use serde_json::json;
use uuid::Uuid;

use crate::support::{Installation, node};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_registers_itself_or_an_admin_does() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (id, other) = (Uuid::now_v7(), Uuid::now_v7());
    let token = place.token(id, "");
    let body = |n: u8| json!({"title": "Ada", "email": format!("ada{n}@example.org")});
    let foreign = api.command(&token, &format!("/v1/accounts/{other}/register"), body(1)).await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
    let own = api.command(&token, &format!("/v1/accounts/{id}/register"), body(2)).await;
    assert_eq!(own.status, 200, "{own:?}");
    let twice = api.command(&token, &format!("/v1/accounts/{id}/register"), body(3)).await;
    assert_eq!((twice.status, twice.problem()), (409, "already-exists"));
    let (_, admin) = api.admin(&place).await;
    let by_admin = api.command(&admin, &format!("/v1/accounts/{other}/register"), body(4)).await;
    assert_eq!(by_admin.status, 200, "{by_admin:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_registered_may_not_act() {
    let place = Installation::new().await;
    let api = place.api().await;
    let token = place.token(Uuid::now_v7(), "admin,operator,auditor");
    let reply = api.command(&token, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), node("Garten")).await;
    assert_eq!((reply.status, reply.problem()), (403, "account-not-registered"));
    assert_eq!(place.events().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_3_a_guest_changes_only_own_nodes_and_a_weaver_any_and_promotion_keeps_everything() {
    let place = Installation::new().await;
    let (one, two) = (place.api().await, place.api().await);
    let (_, owner) = one.person(&place, "Ada").await;
    let (guest_id, guest) = one.person(&place, "Bob").await;
    let (_, admin) = one.admin(&place).await;
    let id = Uuid::now_v7();
    one.command(&owner, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
    let revise = format!("/v1/nodes/{id}/revise");
    // The second process has the guest in memory as a guest …
    let refused = two.command(&guest, &revise, json!({"title": "Beet"})).await;
    assert_eq!((refused.status, refused.problem()), (403, "not-owner"));
    let promoted = one.command(&admin, &format!("/v1/accounts/{guest_id}/promote"), json!({})).await;
    assert_eq!(promoted.status, 200, "{promoted:?}");
    // … and the next act there succeeds.
    let weaver = two.command(&guest, &revise, json!({"title": "Beet"})).await;
    assert_eq!(weaver.status, 200, "{weaver:?}");
    let again = one.command(&admin, &format!("/v1/accounts/{guest_id}/promote"), json!({})).await;
    assert_eq!(again.status, 409, "{again:?}");
    let by_guest = one.command(&owner, &format!("/v1/accounts/{guest_id}/promote"), json!({})).await;
    assert_eq!(by_guest.status, 403, "{by_guest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_on_one_process_is_refused_on_the_other() {
    let place = Installation::new().await;
    let (one, two) = (place.api().await, place.api().await);
    let (person, token) = one.person(&place, "Ada").await;
    let (_, admin) = one.admin(&place).await;
    for round in 0..5 {
        let id = Uuid::now_v7();
        let tied = two.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
        assert_eq!(tied.status, 200, "round {round}: {tied:?}");
        let disabled = one.command(&admin, &format!("/v1/accounts/{person}/disable"), json!({})).await;
        assert_eq!(disabled.status, 200, "{disabled:?}");
        let refused = two.command(&token, &format!("/v1/nodes/{id}/remove"), json!({})).await;
        assert_eq!((refused.status, refused.problem()), (403, "account-not-active"), "round {round}");
        let back = one.command(&admin, &format!("/v1/accounts/{person}/reactivate"), json!({})).await;
        assert_eq!(back.status, 200, "{back:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn never_an_act_after_the_disabling_position() {
    let place = Installation::new().await;
    let (one, two) = (place.api().await, place.api().await);
    let (person, token) = one.person(&place, "Ada").await;
    let (_, admin) = one.admin(&place).await;
    let acting = async {
        let mut last = 0;
        loop {
            let reply =
                two.command(&token, &format!("/v1/nodes/{}/tie", Uuid::now_v7()), node("Garten")).await;
            match reply.status {
                200 => last = reply.position(),
                403 => return last,
                _ => panic!("{reply:?}"),
            }
        }
    };
    let disabling = async {
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        let reply = one.command(&admin, &format!("/v1/accounts/{person}/disable"), json!({})).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.position()
    };
    let (last, disabled) = tokio::join!(acting, disabling);
    assert!(0 < last && last < disabled, "acted at {last}, disabled at {disabled}");
    let after: i64 =
        sqlx::query_scalar("select count(*) from events where position > $1 and metadata->>'actor' = $2")
            .bind(disabled)
            .bind(person.to_string())
            .fetch_one(&place.log.owner_pool)
            .await
            .unwrap();
    assert_eq!(after, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_address_registered_at_once_in_two_processes_has_one_winner() {
    let place = Installation::new().await;
    let (one, two) = (place.api().await, place.api().await);
    for round in 0..8 {
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        let (ta, tb) = (place.token(a, ""), place.token(b, ""));
        let (pa, pb) = (format!("/v1/accounts/{a}/register"), format!("/v1/accounts/{b}/register"));
        let (x, y) = tokio::join!(
            one.command(&ta, &pa, json!({"title": "A", "email": format!("Same{round}@Example.org")})),
            two.command(&tb, &pb, json!({"title": "B", "email": format!(" same{round}@example.ORG")})),
        );
        let mut statuses = [x.status, y.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{x:?} {y:?}");
        let loser = if x.status == 409 { &x } else { &y };
        assert_eq!(loser.problem(), "email-taken");
        assert!(!loser.text.to_lowercase().contains("same"), "no address in an error");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_who_swap_addresses_do_not_block_each_other() {
    let place = Installation::new().await;
    let (one, two) = (place.api().await, place.api().await);
    let (a, ta) = one.person(&place, "Ada").await;
    let (b, tb) = two.person(&place, "Bob").await;
    let email = |id: Uuid| json!({"email": format!("{}@example.org", id.simple())});
    for _ in 0..6 {
        let (pa, pb) = (format!("/v1/accounts/{a}/change-email"), format!("/v1/accounts/{b}/change-email"));
        let (x, y) = tokio::join!(one.command(&ta, &pa, email(b)), two.command(&tb, &pb, email(a)));
        // Each takes what the other still holds: both are refused, and nobody waits for ever.
        assert_eq!((x.status, y.status), (409, 409), "{x:?} {y:?}");
    }
    let deadlocks: i64 =
        sqlx::query_scalar("select deadlocks from pg_stat_database where datname = current_database()")
            .fetch_one(&place.log.owner_pool)
            .await
            .unwrap();
    assert_eq!(deadlocks, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_free_again_after_a_change_and_after_leaving() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (a, ta) = api.person(&place, "Ada").await;
    let (b, tb) = api.person(&place, "Bob").await;
    let own = |id: Uuid| json!({"email": format!("{}@example.org", id.simple())});
    let change = |id: Uuid| format!("/v1/accounts/{id}/change-email");
    assert_eq!(api.command(&ta, &change(a), json!({"email": "neu@example.org"})).await.status, 200);
    assert_eq!(api.command(&tb, &change(b), own(a)).await.status, 200);
    assert_eq!(api.command(&ta, &change(a), own(a)).await.status, 409);
    let left = api.command(&tb, &format!("/v1/accounts/{b}/leave"), json!({})).await;
    assert_eq!(left.status, 200, "{left:?}");
    assert_eq!(api.command(&ta, &change(a), own(a)).await.status, 200);
    let refused = api.command(&tb, &change(b), own(b)).await;
    assert_eq!((refused.status, refused.problem()), (403, "account-not-active"));
    let hidden = api.get_at(&format!("/v1/accounts/{b}"), "", left.position()).await;
    assert!(!hidden.text.contains("Bob"), "who left is hidden: {hidden:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_owns_at_most_a_thousand_nodes() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    for chunk in 0..20 {
        let replies = futures::future::join_all((0..50).map(|_| {
            let path = format!("/v1/nodes/{}/tie", Uuid::now_v7());
            let (api, token) = (&api, &token);
            async move { api.command(token, &path, node("Garten")).await }
        }))
        .await;
        for reply in replies {
            assert_eq!(reply.status, 200, "chunk {chunk}: {reply:?}");
        }
    }
    let last = Uuid::now_v7();
    let full = api.command(&token, &format!("/v1/nodes/{last}/tie"), node("Garten")).await;
    assert_eq!((full.status, full.problem()), (409, "quota-exceeded"));
    let some: Uuid = sqlx::query_scalar("select aggregate_id from events where type = 'NodeTied' limit 1")
        .fetch_one(&place.log.owner_pool)
        .await
        .unwrap();
    assert_eq!(api.command(&token, &format!("/v1/nodes/{some}/remove"), json!({})).await.status, 200);
    assert_eq!(api.command(&token, &format!("/v1/nodes/{last}/tie"), node("Garten")).await.status, 200);
}
