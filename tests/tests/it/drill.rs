//! `replay drill` in its short form: the disaster and the way out of it, with every check held.

use std::process::Command;

use embedded::Part;
use serde_json::{Value, json};

use crate::{
    failover::standby::Standby,
    support::{OwnCluster, binary, own_cluster},
};

/// Runs a drill in a process of its own, and reads the report it wrote.
fn drill(arguments: &[&str]) -> Value {
    drill_that_says(arguments, "start Postgres").0
}

/// The same, with a line of its progress; what it said.
fn drill_that_says(arguments: &[&str], step: &str) -> (Value, String) {
    let folder = tempfile::Builder::new().prefix("wg-it-drill-").tempdir().unwrap();
    let report = folder.path().join("reports");
    let output = Command::new(binary("replay"))
        .args(["drill", "--events", "2000", "--json", "--report"])
        .arg(&report)
        .arg("--folder")
        .arg(folder.path())
        .args(arguments)
        .env_remove("DATABASE_URL")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let text = std::fs::read_to_string(report.join("drill-report.json"))
        .unwrap_or_else(|error| panic!("no report ({error}):\n{told}"));
    let written: Value = serde_json::from_str(&text).unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said, written, "what it says is what it writes");
    assert_eq!(output.status.code(), Some(0), "{told}\n{written:#}");
    let markdown = std::fs::read_to_string(report.join("drill-report.md")).unwrap();
    for check in written["checks"].as_array().unwrap() {
        assert_eq!(check["ok"], true, "{check}");
        assert!(markdown.contains(check["what"].as_str().unwrap()), "{check}");
    }
    for name in ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9"] {
        assert!(written["checks"].as_array().unwrap().iter().any(|one| one["name"] == name), "{name}");
    }
    assert!(told.contains(step), "progress is visible: {told}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing but the report is left");
    (written, told.into_owned())
}

#[test]
fn an_asynchronous_standby_loses_what_is_named_and_gets_back_what_the_stream_has() {
    let report = drill(&[]);
    let number = |field: &str| report[field].as_i64().unwrap();
    let (missing, salvaged, lost) =
        (number("missing_before_salvage"), number("salvaged"), number("rpo_events"));
    assert!(salvaged > 0 && lost > 0, "{report:#}");
    // What comes back includes what nobody was promised: the reactor's events, requests whose
    // answer was lost.
    assert!(lost < missing && missing - lost <= salvaged, "{report:#}");
    let range = &report["lost"];
    assert!(range["to"].as_i64().unwrap() - range["from"].as_i64().unwrap() + 1 >= lost);
    assert_eq!(range["event_ids"].as_array().unwrap().len() as i64, lost.min(100));
    assert!(report["rpo_s"].as_f64().unwrap() > 0.0 && report["rto_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_synchronous_standby_loses_nothing() {
    let report = drill(&["--synchronous"]);
    assert_eq!(
        (&report["rpo_events"], &report["missing_before_salvage"], &report["lost"]),
        (&json!(0), &json!(0), &json!(null)),
        "{report:#}"
    );
}

#[test]
fn a_restore_goes_back_to_the_moment_and_names_who_is_ahead() {
    let report = drill(&["--scenario", "restore"]);
    for name in ["PROOF", "POINT", "EPOCH", "AHEAD", "LOSS", "SALVAGE"] {
        let check = report["checks"].as_array().unwrap().iter().find(|one| one["name"] == name);
        assert_eq!(check.unwrap()["ok"], true, "{name}: {report:#}");
    }
    assert!(report["missing_before_salvage"].as_i64().unwrap() > 0);
}

/// Servers of somebody else: a primary with an empty database of this name, and its standby.
struct Theirs {
    own: OwnCluster,
    standby: Standby,
    name: &'static str,
}

impl Theirs {
    async fn with(name: &'static str) -> Self {
        let own = own_cluster().await;
        sqlx::query(&format!("create database {name}")).execute(&own.env.owner_pool).await.unwrap();
        let standby = Standby::of(&own).await;
        Self { own, standby, name }
    }

    fn arguments(&self) -> Vec<String> {
        let (server, _) = self.own.cluster.endpoints().owner_database_url.rsplit_once('/').unwrap();
        let primary = format!("{server}/{}", self.name);
        let port = |options: &sqlx::postgres::PgConnectOptions| format!(":{}/", options.get_port());
        let replica = primary.replace(&port(&self.own.env.options), &port(self.standby.options()));
        assert!(primary.ends_with(self.name) && replica != primary);
        let kill = format!("kill -9 {}", self.own.cluster.pid(Part::Log).unwrap());
        let given =
            ["--scratch-url", &format!("log={primary}"), "--scratch-url", &format!("replica={replica}")];
        given.into_iter().chain(["--kill-primary", &kill]).map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_on_given_servers_kills_and_promotes_them() {
    let theirs = Theirs::with("drill_scratch").await;
    let arguments = theirs.arguments();
    let told = tokio::task::spawn_blocking(move || {
        drill_that_says(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), "servers that were given")
            .0
    });
    let report = told.await.unwrap();
    assert!(report["rto_s"].as_f64().unwrap() > 0.0, "{report:#}");
    // The standby is what the log is on now, and the primary is dead.
    let pool = theirs.standby.owner_pool();
    assert!(!sqlx::query_scalar::<_, bool>("select pg_is_in_recovery()").fetch_one(&pool).await.unwrap());
    assert!(sqlx::query("select 1").execute(&theirs.own.env.owner_pool).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_refuses_servers_that_hold_something_or_are_not_called_scratch() {
    let refused = |arguments: &[String]| {
        let output = Command::new(binary("replay"))
            .args(["drill", "--events", "1000", "--report", "/nonexistent"])
            .args(arguments)
            .env_remove("DATABASE_URL")
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let theirs = Theirs::with("drill_scratch").await;
    let good = theirs.arguments();
    let change = |from: &str, to: &str| good.iter().map(|text| text.replace(from, to)).collect::<Vec<_>>();
    // The installation's own database: it holds a log, and says so by its name.
    let (code, said) = refused(&change("/drill_scratch", "/weltgewebe"));
    assert!(code == Some(1) && said.contains("not named as scratch"), "{code:?} {said}");
    let other = sqlx::postgres::PgPoolOptions::new()
        .connect_with(theirs.own.env.owner_options.clone().database("drill_scratch"))
        .await
        .unwrap();
    sqlx::query("create table precious (id int)").execute(&other).await.unwrap();
    let (code, said) = refused(&good);
    assert!(code == Some(1) && said.contains("the database of log is not empty"), "{code:?} {said}");
    sqlx::query("drop table precious").execute(&other).await.unwrap();
    // Both the same server: nothing to fail over to.
    let twice: Vec<String> =
        good.iter()
            .map(|text| {
                if text.starts_with("replica=") { good[1].replace("log=", "replica=") } else { text.clone() }
            })
            .collect();
    let (code, said) = refused(&twice);
    assert!(code == Some(1) && said.contains("no standby"), "{code:?} {said}");
    let (code, said) = refused(&good[..4]);
    assert!(code == Some(2) && said.contains("--kill-primary"), "{code:?} {said}");
    // Nobody was killed for that.
    assert_eq!(
        sqlx::query_scalar::<_, i64>("select count(*) from pg_stat_replication")
            .fetch_one(&other)
            .await
            .unwrap(),
        1
    );
}
