//! A second process: the test binary starts itself again as a worker.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use eventstore::{
    append::{Appender, AppenderConfig, Outcome},
    connect_log,
};
use rand::RngExt;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{LogEnv, write};

/// A running worker. Killed when dropped.
pub struct Worker {
    pub child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts `job` (see `worker_process`) on this log.
    pub fn start(env: &LogEnv, job: &str, extra: &[(&str, String)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "support::worker::worker_process", "--ignored", "--nocapture"])
            .env("WG_JOB", job)
            .env("WG_DATABASE", url_of(&env.options))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        for (name, value) in extra {
            command.env(name, value);
        }
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines = Arc::new(Mutex::new(vec![]));
        let sink = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                sink.lock().unwrap().push(line);
            }
        });
        Self { child, lines, reader: Some(reader) }
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Everything it printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits until it has printed a line that begins so.
    pub async fn wait_for(&self, start: &str) {
        for _ in 0..600 {
            if self.lines().iter().any(|line| line.starts_with(start)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the worker never said {start}: {:?}", self.lines());
    }

    /// kill -9, and what it had said.
    pub fn kill(mut self) -> Vec<String> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.reader.take().unwrap().join().unwrap();
        self.lines()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn url_of(options: &PgConnectOptions) -> String {
    use sqlx::ConnectOptions;
    options.to_url_lossy().to_string()
}

/// Not a test: the body of a worker process.
#[test]
#[ignore = "started by other tests as a process of its own"]
fn worker_process() {
    let Ok(job) = std::env::var("WG_JOB") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let options: PgConnectOptions = std::env::var("WG_DATABASE").unwrap().parse().unwrap();
        let log = connect_log(options, 4).await.unwrap();
        let appender = Appender::start(log, AppenderConfig::default(), CancellationToken::new());
        println!("started");
        match job.as_str() {
            "append" => append_for_ever(appender).await,
            "append-one" => append_one(appender).await,
            "rebuild" => crate::generation::sweep::rebuild().await,
            "rebuild-past" => crate::generation::sweep::rebuild_past().await,
            "index" => crate::search::sweep::index().await,
            "hold-a-job" => crate::jobs::hold_a_job().await,
            other => panic!("no job {other}"),
        }
    });
}

/// `WG_WRITERS` writers with random pauses; says `ack <event id> <position>`.
async fn append_for_ever(appender: Appender) {
    let writers: usize = std::env::var("WG_WRITERS").unwrap().parse().unwrap();
    let pause_ms: u64 = std::env::var("WG_PAUSE_MS").map_or(20, |text| text.parse().unwrap());
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let appender = appender.clone();
            tokio::spawn(async move {
                let id = Uuid::now_v7();
                let mut version = 0;
                loop {
                    let request = write(id, version);
                    let event = request.writes[0].events[0].event_id;
                    match appender.append(request).await {
                        Ok(Outcome::Committed(at)) => {
                            version += 1;
                            println!("ack {event} {}", at.first_position);
                        }
                        other => panic!("{other:?}"),
                    }
                    let pause = rand::rng().random_range(0..=pause_ms);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            })
        })
        .collect();
    // They end only by a panic, and that ends the worker.
    futures::future::select_all(tasks).await.0.unwrap();
}

/// One append with given ids; says `sent`, later `ack`.
async fn append_one(appender: Appender) {
    let mut request = write(std::env::var("WG_AGGREGATE").unwrap().parse().unwrap(), 0);
    request.writes[0].events[0].event_id = std::env::var("WG_EVENT").unwrap().parse().unwrap();
    println!("sent");
    println!("ack {:?}", appender.append(request).await);
}
