//! What a killed owner leaves behind, and what must not be touched.

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use embedded::Part;
use support::{Program, is_alive, one, processes_below, run, settings, start};

const ALL: &str = "log,keys,nats,redis";

#[tokio::test]
async fn servers_of_a_killed_owner_are_replaced_and_the_data_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mut victim = Program::start(dir.path(), ALL);
    run(victim.url("OWNER_DATABASE_URL"), "create table kept as select 'yes' as what").await;
    victim.kill9();
    let orphans = processes_below(dir.path());
    assert!(orphans.len() >= 4, "{orphans:?}");
    // One of them cannot even hear a signal.
    let paused = orphans.iter().find(|(_, cwd)| cwd.ends_with("nats")).unwrap().0;
    Command::new("kill").args(["-STOP", &paused.to_string()]).status().unwrap();

    let cluster = start(dir.path(), &Part::NEEDED).await;
    assert!(orphans.iter().all(|(pid, _)| !is_alive(*pid)));
    assert_eq!(one(&cluster.endpoints().owner_database_url, "select what from kept").await, "yes");
    cluster.shutdown().await.unwrap();
    assert_eq!(processes_below(dir.path()), []);
}

#[tokio::test]
async fn a_recycled_process_id_is_not_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut victim = Program::start(dir.path(), ALL);
    victim.kill9();
    for (pid, _) in processes_below(dir.path()) {
        // Ignored: backends are gone before their turn comes.
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
    }
    // Everything that was written down now means this innocent process, which even works in
    // the data folder and, for one, in a server's.
    let mut innocents = Vec::new();
    for folder in ["", "postgres-log", "nats"] {
        let mut sleep = Command::new("sleep");
        innocents.push(sleep.arg("600").current_dir(dir.path().join(folder)).spawn().unwrap());
    }
    let pid = innocents[0].id();
    let record = dir.path().join("servers.json");
    let mut text: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    for part in ["log", "keys", "nats", "redis"] {
        text["servers"][part]["pid"] = pid.into();
    }
    std::fs::write(&record, text.to_string()).unwrap();
    for folder in ["postgres-log", "postgres-keys"] {
        let path = dir.path().join(folder).join("postmaster.pid");
        let old = std::fs::read_to_string(&path).unwrap();
        let rest = old.split_once('\n').unwrap().1;
        std::fs::write(&path, format!("{pid}\n{rest}")).unwrap();
    }

    let cluster = start(dir.path(), &Part::NEEDED).await;
    for innocent in &mut innocents {
        assert!(is_alive(innocent.id()));
    }
    cluster.shutdown().await.unwrap();
    for mut innocent in innocents {
        assert!(is_alive(innocent.id()));
        innocent.kill().unwrap();
        innocent.wait().unwrap();
    }
}

#[test]
fn sigterm_stops_the_program_and_its_servers() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), ALL);
    assert!(processes_below(dir.path()).len() >= 4);
    assert_eq!(program.terminate().code(), Some(0));
    assert_eq!(processes_below(dir.path()), []);
}

#[test]
fn servers_of_a_test_die_with_it_but_not_with_its_thread() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "victim", "--ignored"]).env("VICTIM_DATA_DIR", dir.path());
    let mut victim = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ready = dir.path().join("thread-ended");
    wait_until("the victim's servers run", || ready.exists());
    let servers = processes_below(dir.path());
    assert!(servers.len() >= 4, "{servers:?}");
    victim.kill().unwrap();
    victim.wait().unwrap();
    // The kernel kills at once; backends notice that their postmaster is gone.
    wait_until("its servers are dead", || processes_below(dir.path()).is_empty());
}

/// Started by the test above, in a process of its own.
#[test]
#[ignore = "the victim of another test"]
fn victim() {
    let Some(data_dir) = std::env::var_os("VICTIM_DATA_DIR").map(std::path::PathBuf::from) else { return };
    let started = data_dir.clone();
    // Like a test whose servers are shared with later tests: the runtime and the thread
    // that started them are gone.
    let cluster = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(start(&started, &Part::NEEDED))
    });
    let cluster = cluster.join().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(Part::NEEDED.into_iter().all(|part| cluster.pid(part).is_some()));
    std::fs::write(data_dir.join("thread-ended"), "").unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

/// As root without user namespaces the database belongs to a system user.
#[test]
fn without_namespaces_root_needs_a_folder_the_system_user_can_reach() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let parent = tempfile::tempdir().unwrap();
    if parent.path().metadata().unwrap().uid() != 0 {
        return; // not root: nothing to fall back from
    }
    let data = parent.path().join("data");
    std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = Program::command(&data, "log");
    let refused = command.env("EMBEDDED_NO_USERNS", "1").stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot reach"), "{said}");

    std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for _ in 0..2 {
        let mut command = Program::command(&data, "log");
        let mut child = command.env("EMBEDDED_NO_USERNS", "1").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        assert!(lines.any(|line| line.unwrap() == "ready"));
        assert_ne!(data.join("postgres-log").metadata().unwrap().uid(), 0);
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(child.wait().unwrap().success());
    }
    // And back: where namespaces work the same data are root's again.
    drop(Program::start(&data, "log"));
    assert_eq!(data.join("postgres-log").metadata().unwrap().uid(), 0);
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < Duration::from_secs(60), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn an_interrupted_creation_starts_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut victim = Program::command(dir.path(), "log").stdout(Stdio::null()).spawn().unwrap();
    wait_until("creation has begun", || dir.path().join("postgres-log.new/global").exists());
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert!(!dir.path().join("postgres-log").exists());
    let cluster =
        embedded::Cluster::start(settings(dir.path(), &[Part::Log]), &support::quiet).await.unwrap();
    assert_eq!(one(&cluster.endpoints().database_url, "select 'yes'").await, "yes");
    cluster.shutdown().await.unwrap();
}
