//! Starting, stopping, starting again.
#![allow(clippy::unwrap_used)] // also in helpers, which clippy does not see as tests

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use embedded::{Cluster, Error, NatsUser, Part, Settings, Signal};
use support::{is_alive, nats_as, one, processes_below, quiet, run, settings, start};

#[tokio::test]
async fn a_second_start_keeps_the_data_and_nothing_is_left_after_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path(), &Part::NEEDED).await;
    let endpoints = cluster.endpoints().clone();
    run(&endpoints.owner_database_url, "create table kept as select 'log' as what").await;
    run(&endpoints.keys_owner_database_url, "create table kept as select 'keys' as what").await;
    let jetstream = nats_as(&endpoints.nats, NatsUser::Admin).await;
    let config = async_nats::jetstream::stream::Config { name: "KEPT".into(), ..Default::default() };
    jetstream.create_stream(config).await.unwrap();
    jetstream.publish("KEPT", "x".into()).await.unwrap().await.unwrap();
    let pids: Vec<u32> = Part::NEEDED.map(|part| cluster.pid(part).unwrap()).into();

    cluster.shutdown().await.unwrap();
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    assert_eq!(processes_below(dir.path()), []);
    assert!(!dir.path().join("servers.json").exists());

    let cluster = start(dir.path(), &Part::NEEDED).await;
    let endpoints = cluster.endpoints();
    assert_eq!(one(&endpoints.owner_database_url, "select what from kept").await, "log");
    assert_eq!(one(&endpoints.keys_owner_database_url, "select what from kept").await, "keys");
    let mut stream = nats_as(&endpoints.nats, NatsUser::Admin).await.get_stream("KEPT").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 1);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn everything_below_the_data_folder_is_private() {
    let parent = tempfile::tempdir().unwrap();
    std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let dir = parent.path().join("data");
    let cluster = start(&dir, &Part::NEEDED).await;
    assert_private(&dir);
    for file in ["servers.json", "secrets.json", "lock", "nats/nats.conf", "redis/redis.conf"] {
        assert_eq!(dir.join(file).metadata().unwrap().mode() & 0o777, 0o600, "{file}");
    }
    cluster.shutdown().await.unwrap();
}

/// Folders 0700, nothing for others anywhere. Redis and NATS write no data file here that
/// somebody could reach: every folder on the way is closed.
fn assert_private(path: &Path) {
    let found = path.symlink_metadata().unwrap();
    if found.is_dir() {
        assert_eq!(found.mode() & 0o077, 0, "{}", path.display());
        for entry in path.read_dir().unwrap() {
            assert_private(&entry.unwrap().path());
        }
    }
}

#[tokio::test]
async fn a_path_with_spaces_quotes_and_umlauts_works() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("it's a \"näughty\", pa\\th");
    let cluster = start(&data, &Part::NEEDED).await;
    let endpoints = cluster.endpoints();
    assert_eq!(one(&endpoints.database_url, "select current_user::text").await, "weltgewebe_app");
    assert_eq!(one(&endpoints.database_socket_url, "select current_user::text").await, "weltgewebe_app");
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_a_short_private_folder_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("long".repeat(25));
    let cluster = start(&data, &[Part::Log]).await;
    let url = cluster.endpoints().database_socket_url.clone();
    assert_eq!(one(&url, "select current_user::text").await, "weltgewebe_app");
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data.join("servers.json")).unwrap()).unwrap();
    let sockets = Path::new(record["socket_dir"].as_str().unwrap()).to_owned();
    assert!(!sockets.starts_with(&data));
    assert_eq!(sockets.metadata().unwrap().mode() & 0o777, 0o700);
    cluster.shutdown().await.unwrap();
    assert!(!sockets.exists());
}

#[tokio::test]
async fn a_dropped_cluster_takes_its_servers_along() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path(), &[Part::Nats, Part::Redis]).await;
    let pids = [cluster.pid(Part::Nats).unwrap(), cluster.pid(Part::Redis).unwrap()];
    assert!(pids.into_iter().all(is_alive));
    drop(cluster);
    assert!(!pids.into_iter().any(is_alive));
}

#[tokio::test]
async fn a_killed_server_comes_back_on_its_port_with_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = start(dir.path(), &Part::NEEDED).await;
    let before = cluster.endpoints().clone();
    run(&before.owner_database_url, "create table kept as select 'still here' as what").await;
    for part in Part::NEEDED {
        let pid = cluster.pid(part).unwrap();
        cluster.kill9(part);
        assert_eq!(cluster.pid(part), None);
        cluster.restart(part).await.unwrap();
        assert_ne!(cluster.pid(part).unwrap(), pid);
    }
    assert_eq!(*cluster.endpoints(), before);
    assert_eq!(one(&before.owner_database_url, "select what from kept").await, "still here");
    assert_eq!(Cluster::attach(dir.path()).unwrap(), Some(before));
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_told_and_the_next_attempt_can_succeed() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = start(dir.path(), &[Part::Redis]).await;
    let port: u16 = cluster.endpoints().redis_url.rsplit_once(':').unwrap().1.parse().unwrap();
    cluster.kill9(Part::Redis);
    let thief = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = cluster.restart(Part::Redis).await.unwrap_err();
    assert!(matches!(error, Error::PortTaken { part: Part::Redis, port: taken } if taken == port), "{error}");
    drop(thief);
    cluster.restart(Part::Redis).await.unwrap();
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_paused_server_still_stops() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path(), &[Part::Log, Part::Nats]).await;
    for part in [Part::Log, Part::Nats] {
        cluster.signal(part, Signal::STOP).unwrap();
    }
    let since = std::time::Instant::now();
    cluster.shutdown().await.unwrap();
    assert!(since.elapsed().as_secs() < 20, "{:?}", since.elapsed());
    assert_eq!(processes_below(dir.path()), []);
}

#[tokio::test]
async fn lost_passwords_are_replaced_and_the_data_stay() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path(), &[Part::Log]).await;
    let before = cluster.endpoints().clone();
    run(&before.owner_database_url, "create table kept as select 'yes' as what").await;
    cluster.shutdown().await.unwrap();
    std::fs::write(dir.path().join("secrets.json"), "{ damaged").unwrap();
    let cluster = start(dir.path(), &[Part::Log]).await;
    assert_ne!(cluster.endpoints().owner_database_url, before.owner_database_url);
    assert_eq!(one(&cluster.endpoints().owner_database_url, "select what from kept").await, "yes");
    assert_eq!(one(&cluster.endpoints().database_url, "select 'in'").await, "in");
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_held_folder_is_refused_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path(), &[Part::Redis]).await;
    let error = Cluster::start(settings(dir.path(), &[Part::Redis]), &quiet).await.err().unwrap();
    let expected = format!(
        "the data folder {} is in use by process {}: stop it, or choose another DATA_DIR",
        dir.path().display(),
        std::process::id()
    );
    assert_eq!(error.to_string(), expected);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_refused_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let settings = Settings::for_tests(dir.path().join("file/data"));
    let error = Cluster::start(settings, &quiet).await.err().unwrap();
    assert!(matches!(error, Error::NotWritable { .. }), "{error}");
    assert!(error.to_string().ends_with("choose another DATA_DIR or fix its rights"), "{error}");
}

#[tokio::test]
async fn a_setting_postgres_does_not_know_is_told_with_its_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path(), &[Part::Log]);
    settings.tuning.log_settings = vec![("no_such_setting".into(), "1".into())];
    let error = Cluster::start(settings, &quiet).await.err().unwrap().to_string();
    assert!(error.contains("no_such_setting"), "{error}");
    assert_eq!(processes_below(dir.path()), []);
}
