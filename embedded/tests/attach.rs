//! Using servers that another process runs.

mod support;

use std::time::Duration;

use embedded::{Cluster, Error, Part, Parts, Settings};
use support::{Program, one, quiet, start};

#[tokio::test]
async fn nothing_is_found_where_nothing_runs() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Cluster::attach(dir.path().join("missing")).unwrap(), None);
    assert_eq!(Cluster::attach(dir.path()).unwrap(), None);
    let cluster = start(dir.path(), &[Part::Redis]).await;
    cluster.shutdown().await.unwrap();
    assert_eq!(Cluster::attach(dir.path()).unwrap(), None);
}

#[tokio::test]
async fn a_second_process_uses_the_servers_of_the_first_and_leaves_them_running() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = Program::start(dir.path(), "log,nats");
    let endpoints = Cluster::attach(dir.path()).unwrap().unwrap();
    assert_eq!(endpoints.database_url, owner.url("DATABASE_URL"));

    let wanted = Settings { parts: Parts::only(&[Part::Log]), ..Settings::new(dir.path()) };
    let mut handle = Cluster::start_or_attach(wanted, &quiet).await.unwrap();
    assert!(handle.cluster().is_none());
    handle.shutdown().await.unwrap();
    assert_eq!(one(&endpoints.database_url, "select 'still up'").await, "still up");

    let wanted = Settings::new(dir.path());
    let error = Cluster::start_or_attach(wanted, &quiet).await.err().unwrap().to_string();
    assert!(error.starts_with("Postgres (keys) is not among the servers that process"), "{error}");

    // Its record alone proves nothing once it is dead.
    owner.kill9();
    assert_eq!(Cluster::attach(dir.path()).unwrap(), None);
    start(dir.path(), &[Part::Log, Part::Nats]).await.shutdown().await.unwrap();
}

#[tokio::test]
async fn of_two_starters_one_owns_and_one_attaches() {
    let dir = tempfile::tempdir().unwrap();
    let settings = support::settings(dir.path(), &[Part::Redis]);
    let (one, two) = tokio::join!(
        Cluster::start_or_attach(settings.clone(), &quiet),
        Cluster::start_or_attach(settings, &quiet)
    );
    let (mut one, mut two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.endpoints(), two.endpoints());
    assert!(one.cluster().is_some() != two.cluster().is_some());
    one.shutdown().await.unwrap();
    two.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_damaged_record_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path(), &[Part::Redis]).await;
    let password = cluster.endpoints().redis_url.clone();
    let text = std::fs::read_to_string(dir.path().join("servers.json")).unwrap();
    std::fs::write(dir.path().join("servers.json"), &text[..text.len() - 20]).unwrap();
    let error = Cluster::attach(dir.path()).unwrap_err();
    assert!(matches!(error, Error::RecordDamaged { .. }), "{error}");
    assert!(error.to_string().contains("servers.json is damaged"), "{error}");
    assert!(!error.to_string().contains(&password));
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_dead_server_of_a_living_owner_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = start(dir.path(), &[Part::Redis]).await;
    cluster.kill9(Part::Redis);
    let error = Cluster::attach(dir.path()).unwrap_err().to_string();
    assert!(error.starts_with("Redis of ") && error.contains("no longer runs although process"), "{error}");
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_holder_without_servers_is_told_after_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path(), &[Part::Redis]).await;
    std::fs::remove_file(dir.path().join("servers.json")).unwrap();
    let mut settings = support::settings(dir.path(), &[Part::Redis]);
    settings.tuning.start_timeout = Duration::from_millis(300);
    let error = Cluster::start_or_attach(settings, &quiet).await.err().unwrap();
    assert!(matches!(error, Error::LockedWithoutServers { .. }), "{error}");
    cluster.shutdown().await.unwrap();
}

/// For who uses them from another process and is not started again with them.
#[tokio::test]
async fn servers_answer_where_they_did_before_a_kill_and_before_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = Program::start(dir.path(), "log,nats,redis");
    let before = Cluster::attach(dir.path()).unwrap().unwrap();
    owner.kill9();
    let parts = [Part::Log, Part::Nats, Part::Redis];
    for stop in ["kill -9", "shutdown"] {
        let cluster = start(dir.path(), &parts).await;
        assert!(*cluster.endpoints() == before, "other addresses after {stop}");
        assert_eq!(one(&before.database_socket_url, "select 'there'").await, "there");
        cluster.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_port_that_another_program_took_meanwhile_is_left_to_it_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path(), &[Part::Nats, Part::Redis]).await;
    let before = cluster.endpoints().clone();
    cluster.shutdown().await.unwrap();
    let port: u16 = before.nats.url.rsplit(':').next().unwrap().parse().unwrap();
    let _another = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let settings = support::settings(dir.path(), &[Part::Nats, Part::Redis]);
    let cluster = Cluster::start(settings, &|line| told.lock().unwrap().push(line.to_owned())).await.unwrap();
    assert_ne!(cluster.endpoints().nats.url, before.nats.url);
    assert_eq!(cluster.endpoints().redis_url, before.redis_url);
    let told = told.into_inner().unwrap();
    let line = told.iter().find(|line| line.contains("belongs to another program"));
    assert!(line.is_some_and(|line| line.contains(&port.to_string())), "{told:?}");
    cluster.shutdown().await.unwrap();
}
