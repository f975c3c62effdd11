//! `/v1/audit` as an auditor asks it.

use eventstore::audit::{
    InclusionProof,
    note::SignedNote,
    tree::{TileId, Tiles, check_consistency, root_of_range},
    verify::{Trust, Verification, verify},
};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::audited::Audited;
use crate::support::Reply;

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_keys_tiles_and_proofs_belong_together() {
    let audited = Audited::new().await;
    let (_, tied) = audited.tie().await;
    let (old_note, old) = audited.checkpoint(tied.position()).await;
    let (_, last) = audited.tie().await;
    let (note, checkpoint) = audited.checkpoint(last.position()).await;
    let keys = audited.keys().await;
    assert!(note.signed_by(&keys).is_ok() && old_note.signed_by(&keys).is_ok());

    // A mirror needs nothing but tiles to see that one goes on from the other.
    let size = checkpoint.size;
    let path = format!("/v1/audit/tile/0/000.p/{size}");
    let reply = audited.api.request(Method::GET, &path).bearer_auth(&audited.auditor).send().await.unwrap();
    assert_eq!(
        (reply.status().as_u16(), &reply.headers()["content-type"]),
        (200, &"application/octet-stream".parse().unwrap())
    );
    let bytes = reply.bytes().await.unwrap();
    let mut tiles = Tiles::default();
    tiles.insert(TileId { level: 0, index: 0 }, bytes.as_chunks::<32>().0.to_vec());
    assert_eq!(root_of_range(&tiles, 0..size), Some(checkpoint.root));
    let proof: Vec<_> = eventstore::audit::tree::consistency(old.size, size)
        .into_iter()
        .map(|range| root_of_range(&tiles, range).unwrap())
        .collect();
    check_consistency(old.size, size, &proof, &old.root, &checkpoint.root).unwrap();

    let event = tied.body["events"][0]["event_id"].as_str().unwrap().to_owned();
    for against in ["", "?against=newest", "?against=first"] {
        let path = format!("/v1/audit/events/{event}/proof{against}");
        let reply = audited.api.get_at(&path, &audited.auditor, last.position()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let proof: InclusionProof = serde_json::from_value(reply.body).unwrap();
        let shown = proof.check(&keys).unwrap();
        assert_eq!(
            (shown.event.position, shown.event.event_id.to_string()),
            (tied.position() - 1, event.clone())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_here_is_for_auditors_and_says_what_is_wrong() {
    let audited = Audited::new().await;
    let (_, tied) = audited.tie().await;
    audited.checkpoint(tied.position()).await;
    let event = tied.body["events"][0]["event_id"].as_str().unwrap();
    let paths = [
        "/v1/audit/events".to_owned(),
        format!("/v1/audit/events/{event}/proof"),
        format!("/v1/audit/trace/{event}"),
        format!("/v1/audit/aggregates/node/{event}"),
        "/v1/audit/export".to_owned(),
        "/v1/audit/access".to_owned(),
        "/v1/audit/checkpoint".to_owned(),
        "/v1/audit/keys".to_owned(),
        "/v1/audit/tile/0/000.p/1".to_owned(),
    ];
    for path in &paths {
        let nobody = audited.api.get(path, "").await;
        assert_eq!((nobody.status, nobody.problem()), (401, "unauthorised"), "{path}");
        let person = audited.api.get(path, &audited.token).await;
        assert_eq!((person.status, person.problem()), (403, "missing-role"), "{path}");
        let unknown = audited.get(&format!("{path}?nonsense=1")).await;
        assert_eq!((unknown.status, unknown.problem()), (400, "bad-parameter"), "{path}");
    }
    let document = audited.api.get("/openapi.json", "").await;
    for path in [
        "/v1/audit/events/{id}/proof",
        "/v1/audit/trace/{correlation}",
        "/v1/audit/aggregates/{type}/{id}",
        "/v1/audit/export",
        "/v1/audit/access",
        "/v1/audit/checkpoint",
        "/v1/audit/keys",
        "/v1/audit/tile/{path}",
    ] {
        assert!(document.body["paths"][path]["get"].is_object(), "{path} is not documented");
    }
    let other = Uuid::now_v7();
    for (path, status) in [
        (format!("/v1/audit/events/{other}/proof"), 404),
        ("/v1/audit/events/7/proof".to_owned(), 400),
        (format!("/v1/audit/events/{event}/proof?against=me"), 400),
        (format!("/v1/audit/trace/{other}"), 404),
        ("/v1/audit/trace/7".to_owned(), 400),
        (format!("/v1/audit/aggregates/node/{other}"), 404),
        (format!("/v1/audit/aggregates/platform/{other}"), 404),
        (format!("/v1/audit/aggregates/node/{other}?at=noon"), 400),
        ("/v1/audit/tile/0/001".to_owned(), 404),
        ("/v1/audit/tile/0/000".to_owned(), 404),
        ("/v1/audit/tile/0/0".to_owned(), 400),
        ("/v1/audit/tile/9/000".to_owned(), 400),
        ("/v1/audit/tile/..%2f000".to_owned(), 400),
        ("/v1/audit/export?limit=1001".to_owned(), 400),
        ("/v1/audit/access?subject=x".to_owned(), 400),
    ] {
        let reply = audited.get(&path).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        reply.problem();
    }
    let long = "x".repeat(201);
    let request = audited.api.request(Method::GET, "/v1/audit/events").bearer_auth(&audited.auditor);
    assert_eq!(audited.api.send(request.header("Audit-Reason", &long)).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_by_what_an_auditor_knows_at_once_and_later() {
    let audited = Audited::new().await;
    let (first, tied) = audited.tie().await;
    let (_, last) = audited.tie().await;
    let positions = |reply: &Reply| -> Vec<i64> {
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["position"].as_i64().unwrap())
            .collect()
    };
    let all = audited.get("/v1/audit/events").await;
    let metadata = all.body["items"][1]["metadata"].clone();
    let text = |name: &str| metadata[name].as_str().unwrap().to_owned();
    let when = all.body["items"][3]["metadata"]["occurred_at"].as_str().unwrap().to_owned();
    let wanted = [
        (format!("actor={}", audited.person), vec![1, 2, 3, 4, 5]),
        ("actor=system".to_owned(), vec![]),
        ("type=ConversationOpened".to_owned(), vec![3, 5]),
        ("type=ConversationOpened&limit=1".to_owned(), vec![3]),
        ("type=ConversationOpened&after=3".to_owned(), vec![5]),
        (format!("correlation={}", text("correlation_id")), vec![2, 3]),
        (format!("causation={}", text("causation_id")), vec![2, 3]),
        (format!("from={when}"), vec![4, 5]),
        (format!("until={when}"), vec![1, 2, 3]),
        (format!("aggregate=node/{first}&type=NodeTied"), vec![2]),
        ("aggregate=conversation&type=ConversationOpened".to_owned(), vec![3, 5]),
        (format!("aggregate=node/{first}&type=NodeTied&until={when}"), vec![2]),
    ];
    // Right away, whatever the index has, and when it has everything.
    for round in 0..2 {
        for (query, expected) in &wanted {
            let reply = audited.get(&format!("/v1/audit/events?{query}")).await;
            assert_eq!(&positions(&reply), expected, "{query} in round {round}");
        }
        let event = tied.body["events"][0]["event_id"].as_str().unwrap();
        let path = format!("/v1/audit/events/{event}/proof");
        audited.checkpoint(last.position()).await;
        assert_eq!(audited.api.get_at(&path, &audited.auditor, last.position()).await.status, 200);
    }
    // Page by page.
    let mut after = 0;
    let mut seen = vec![];
    loop {
        let path = format!("/v1/audit/events?actor={}&limit=2&after={after}", audited.person);
        let reply = audited.get(&path).await;
        seen.extend(positions(&reply));
        if reply.body["page"]["has_more"] == false {
            break;
        }
        after = reply.body["page"]["next_cursor"].as_str().unwrap().parse().unwrap();
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_tells_what_followed_from_what() {
    let audited = Audited::new().await;
    let (id, tied) = audited.tie().await;
    let all = audited.get("/v1/audit/events").await;
    let correlation = all.body["items"][1]["metadata"]["correlation_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/audit/trace/{correlation}");
    let reply = audited.api.get_at(&path, &audited.auditor, tied.position()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let steps = reply.body["steps"].as_array().unwrap();
    assert_eq!((steps.len(), &steps[0]["command"]), (1, &json!("node.tie")));
    assert_eq!(steps[0]["actor"], audited.person.to_string());
    let types: Vec<_> = steps[0]["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["NodeTied", "ConversationOpened"]);

    // The person leaves: a reactor unbinds what is theirs, and says because of what.
    let path = format!("/v1/accounts/{}/leave", audited.person);
    let left = audited.api.command(&audited.token, &path, json!({})).await;
    assert_eq!(left.status, 200, "{left:?}");
    let event = left.body["events"][0]["event_id"].as_str().unwrap().to_owned();
    for _ in 0..600 {
        let found = audited.get(&format!("/v1/audit/events?causation={event}")).await;
        if !found.body["items"].as_array().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let found = audited.get(&format!("/v1/audit/events?causation={event}")).await;
    let unbound = &found.body["items"][0];
    assert_eq!((&unbound["type"], &unbound["aggregate_id"]), (&json!("NodeCreatorUnbound"), &json!(id)));
    let correlation = unbound["metadata"]["correlation_id"].as_str().unwrap();
    let position = unbound["position"].as_i64().unwrap();
    let path = format!("/v1/audit/trace/{correlation}");
    let reply = audited.api.get_at(&path, &audited.auditor, position).await;
    let root = &reply.body["steps"][0];
    assert_eq!(root["command"], "account.leave", "{reply:?}");
    let caused = &root["caused"][0];
    assert_eq!((&caused["actor"], &caused["causation_id"]), (&json!("system"), &json!(event)));
    assert_eq!(caused["events"][0]["type"], "NodeCreatorUnbound");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_is_shown_as_it_was_with_personal_fields_sealed() {
    let audited = Audited::new().await;
    let (id, tied) = audited.tie().await;
    let revise = json!({"title": "Park"});
    let path = format!("/v1/nodes/{id}/revise");
    let revised = audited.api.command(&audited.token, &path, revise).await;
    assert_eq!(revised.status, 200, "{revised:?}");
    let at = |at: &str| format!("/v1/audit/aggregates/node/{id}{at}");
    let now = audited.get(&at("")).await;
    assert_eq!((now.status, &now.body["version"]), (200, &json!(2)), "{now:?}");
    assert!(now.text.contains("Park") && !now.text.contains("Garten"), "{}", now.text);
    let then = audited.get(&at(&format!("?at={}", tied.position()))).await;
    assert_eq!(then.body["version"], 1);
    assert!(then.text.contains("Garten") && !then.text.contains("Park"), "{}", then.text);
    let time = then.body["occurred_at"].as_str().unwrap();
    assert_eq!(audited.get(&at(&format!("?at={time}"))).await.body["state"], then.body["state"]);
    assert_eq!(audited.get(&at("?at=2020-01-01T00:00:00Z")).await.status, 404);
    assert_eq!(audited.get(&at("?at=1")).await.status, 404);

    let account = audited.get(&format!("/v1/audit/aggregates/account/{}", audited.person)).await;
    assert_eq!(account.status, 200, "{account:?}");
    assert!(account.text.contains("$sealed") && !account.text.contains("example.org"), "{}", account.text);
    assert!(!account.text.contains("\"Ada\""), "{}", account.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_ends_with_a_line_that_is_signed_over_all_before_it() {
    let audited = Audited::new().await;
    let (_, tied) = audited.tie().await;
    audited.checkpoint(tied.position()).await;
    let keys = audited.keys().await;
    let reply = audited.get("/v1/audit/export?type=NodeTied").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("application/x-ndjson")),
        "{reply:?}"
    );
    let (lines, trailer) = reply.text.trim_end().rsplit_once('\n').unwrap();
    let lines = format!("{lines}\n");
    let trailer: Value = serde_json::from_str(trailer).unwrap();
    assert_eq!(lines.lines().count(), 1);
    assert_eq!((&trailer["trailer"]["count"], &trailer["trailer"]["first"]), (&json!(1), &json!(2)));
    let note: SignedNote = trailer["note"].as_str().unwrap().parse().unwrap();
    note.signed_by(&keys).unwrap();
    let hash = trailer["trailer"]["sha256"].as_str().unwrap();
    assert!(
        note.text().contains(&format!("sha256 {hash}\n")) && note.text().contains("filter type=NodeTied\n")
    );
    let sum = std::process::Command::new("sha256sum")
        .stdin({
            let file = audited.place.data.path().join("lines");
            std::fs::write(&file, &lines).unwrap();
            std::fs::File::open(file).unwrap()
        })
        .output()
        .unwrap();
    assert!(String::from_utf8(sum.stdout).unwrap().starts_with(hash));
    let checkpoint: SignedNote = trailer["checkpoint"].as_str().unwrap().parse().unwrap();
    checkpoint.signed_by(&keys).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_is_written_down_with_the_reason() {
    let audited = Audited::new().await;
    let (_, tied) = audited.tie().await;
    audited.checkpoint(tied.position()).await;
    let request =
        audited.api.request(Method::GET, "/v1/audit/events?type=NodeTied").bearer_auth(&audited.auditor);
    assert_eq!(audited.api.send(request.header("Audit-Reason", "Prüfung 2026-Q4")).await.status, 200);
    audited.get(&format!("/v1/audit/aggregates/account/{}", audited.person)).await;

    // Contact data: oneself is nobody's business, an admin is written down, others see nothing.
    let page = format!("/v1/accounts/{}", audited.person);
    let describe = json!({"address": "Geheimweg 1"});
    let path = format!("{page}/describe");
    let described = audited.api.command(&audited.token, &path, describe).await;
    assert_eq!(described.status, 200, "{described:?}");
    let (admin, admin_token) = audited.api.admin(&audited.place).await;
    let position = audited.place.events().await;
    let own = audited.api.get_at(&page, &audited.token, position).await;
    let other = audited.api.get_at(&page, &admin_token, position).await;
    let stranger = audited.api.get_at(&page, "", position).await;
    assert_eq!((own.status, other.status, stranger.status), (200, 200, 200));
    assert!(own.text.contains("Geheimweg") && other.text.contains("Geheimweg"));
    assert!(!stranger.text.contains("Geheimweg"));

    let reply = audited.get("/v1/audit/access?limit=1000").await;
    let items = reply.body["items"].as_array().unwrap();
    let of = |action: &str| items.iter().filter(|item| item["action"] == action).collect::<Vec<_>>();
    assert_eq!(of("audit.events")[0]["why"], "Prüfung 2026-Q4");
    assert_eq!(of("audit.events")[0]["what"], "type=NodeTied");
    let contact = of("account.contact");
    assert_eq!(contact.len(), 1, "{items:#?}");
    assert_eq!((&contact[0]["who"], &contact[0]["subject"]), (&json!(admin), &json!(audited.person)));
    assert_eq!(of("audit.aggregate")[0]["subject"], json!(audited.person));
    assert_eq!(of("audit.access").len(), 1, "and this reading as well");
    assert!(!reply.text.contains("Geheimweg") && !reply.text.contains("Ada"), "never a value");
    let about = audited.get(&format!("/v1/audit/access?subject={}", audited.person)).await;
    let about = about.body["items"].as_array().unwrap().clone();
    assert!(
        about.iter().all(|item| item["subject"] == json!(audited.person)) && about.len() >= 2,
        "{about:?}"
    );
    assert!(audited.accesses().await.len() > items.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_at_any_moment_leaves_a_chain_that_the_next_start_goes_on_with() {
    let mut audited = Audited::new().await;
    for round in 0..4_u64 {
        for _ in 0..3 {
            audited.tie().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(137 * (round + 1))).await;
        audited.api.kill();
        audited.api = audited.place.api().await;
    }
    let (_, last) = audited.tie().await;
    audited.checkpoint(last.position()).await;
    let notes = eventstore::audit::CheckpointNotes::in_data_dir(audited.place.data.path());
    let wish = Verification { trust: Trust { pinned: audited.keys().await, file: Some(notes) }, from: None };
    let report = verify(&audited.place.log.owner_pool, &wish, &mut |_, _| {}).await.unwrap();
    assert!(report.is_fine() && report.sealed >= last.position(), "{report:#?}");
    assert_eq!(report.outside.not_believed, 0);
    assert_eq!(report.outside.up_to, report.sealed);
    let metrics = audited.api.get("/metrics", "").await.text;
    for name in
        ["audit_sealed_position", "audit_seal_lag_events", "audit_seal_lag_seconds", "audit_sealer_state 1"]
    {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
}
