//! The operator's tool beside a system that is at work.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Installation, node};

#[tokio::test(flavor = "multi_thread")]
async fn every_read_model_is_rebuilt_and_verified_while_commands_keep_arriving() {
    let place = Installation::new().await;
    let api = place.api().await;
    let (_, token) = api.person(&place, "Ada").await;
    let done = AtomicBool::new(false);
    let working = async {
        let mut last = 0;
        let mut ids = vec![];
        while !done.load(Ordering::SeqCst) {
            let id = Uuid::now_v7();
            let tied = api.command(&token, &format!("/v1/nodes/{id}/tie"), node("Garten")).await;
            assert_eq!(tied.status, 200, "{tied:?}");
            let path = format!("/v1/nodes/{id}/revise");
            let revised = api.command(&token, &path, json!({"title": format!("Garten {id}")})).await;
            last = revised.position();
            if ids.len() % 5 == 4 {
                let old: Uuid = ids[ids.len() / 2];
                api.command(&token, &format!("/v1/nodes/{old}/remove"), json!({})).await;
            }
            ids.push(id);
            // A reader in the middle of the swaps never sees an empty map or an old position.
            let page = api.get_at("/v1/nodes?bbox=9,53,11,54", "", last).await;
            assert_eq!(page.status, 200, "{page:?}");
            assert!(page.position() >= last);
            assert!(!page.body["items"].as_array().unwrap().is_empty());
        }
        last
    };
    let operating = async {
        let mut outputs = vec![];
        for arguments in [
            vec!["rebuild", "--all"],
            vec!["verify"],
            vec!["rollback", "node_page"],
            vec!["rebuild", "node_map", "account_page"],
            vec!["verify"],
            vec!["stream", "verify"],
        ] {
            let output = tokio::task::block_in_place(|| place.replay(&arguments));
            outputs.push((arguments, output));
        }
        done.store(true, Ordering::SeqCst);
        outputs
    };
    let (last, outputs) = tokio::join!(working, operating);
    for (arguments, (code, out, err)) in outputs {
        assert_eq!(code, 0, "replay {arguments:?}\n{out}\n{err}");
    }
    api.get_at("/v1/nodes?bbox=9,53,11,54", "", last).await;
    let (code, out, err) = place.replay(&["status", "--json"]);
    assert_eq!(code, 0, "{err}");
    let status: Value = serde_json::from_str(&out).unwrap();
    let text = status.to_string();
    for name in ["node_map", "node_page", "account_page"] {
        assert!(text.contains(name), "{text}");
    }
    let (code, out, _) = place.replay(&["verify"]);
    assert_eq!(code, 0, "{out}");
}
