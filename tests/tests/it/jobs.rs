//! Scheduled jobs: one process does each, once per period; another one takes over; a process that
//! slept past its lease writes nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use eventstore::jobs::{
    ExpireReceipts, Job, JobError, JobFuture, JobStanding, Jobs, Lease, Ran, log_jobs, standing,
};
use serde_json::Value;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::{Installation, LogEnv, Worker, log_env};

/// Counts its runs, and does what the test says.
#[derive(Clone, Default)]
struct Told {
    name: &'static str,
    group: Option<&'static str>,
    runs: Arc<AtomicU32>,
    begun: Arc<Notify>,
    go: Option<Arc<Notify>>,
    fails: bool,
}

impl Told {
    fn named(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    fn held(name: &'static str) -> Self {
        Self { go: Some(Arc::new(Notify::new())), ..Self::named(name) }
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }
}

impl Job for Told {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        "a test's"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn group(&self) -> &'static str {
        self.group.unwrap_or(self.name)
    }

    fn work<'a>(&'a self, lease: &'a Lease) -> JobFuture<'a> {
        Box::pin(async move {
            self.runs.fetch_add(1, Ordering::SeqCst);
            self.begun.notify_one();
            if let Some(go) = &self.go {
                go.notified().await;
            }
            if self.fails {
                return Err(JobError::Failed("on purpose".into()));
            }
            let mut transaction = lease.begin().await?;
            sqlx::query("insert into snapshots values (gen_random_uuid(), 'job', $1, 1, '{}')")
                .bind(lease.run())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok("wrote a row".into())
        })
    }
}

async fn row(env: &LogEnv, job: &str) -> JobStanding {
    let rows = standing(env.log.pg()).await.unwrap();
    rows.into_iter().find(|row| row.job == job).unwrap_or_else(|| panic!("no row of {job}"))
}

/// The numbers of the runs that wrote.
async fn wrote(env: &LogEnv) -> Vec<i64> {
    let sql = "select version from snapshots where aggregate_type = 'job' order by version";
    sqlx::query_scalar(sql).fetch_all(&env.owner_pool).await.unwrap()
}

async fn set(pool: &PgPool, job: &str, change: &str) {
    sqlx::query(&format!("update scheduled_jobs set {change} where job = '{job}'"))
        .execute(pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_processes_at_once_one_does_a_job_and_once_per_period() {
    let env = log_env().await;
    let job = Told::named("told");
    let stop = CancellationToken::new();
    for period in 1..=5 {
        let lookers: Vec<_> = (0..8)
            .map(|_| {
                let (pool, job, stop) = (env.log.pg().clone(), job.clone(), stop.clone());
                tokio::spawn(async move {
                    let jobs = Jobs::new(pool).with(job.clone());
                    matches!(jobs.look(&job, false, &stop).await.unwrap(), Ran::Done { .. })
                })
            })
            .collect();
        let done =
            futures::future::join_all(lookers).await.into_iter().filter(|done| *done.as_ref().unwrap());
        assert_eq!((done.count(), job.runs()), (1, period));
        // Nothing is due until its period is over.
        set(&env.owner_pool, "told", "due_at = due_at - period, began_at = began_at - period").await;
    }
    let row = row(&env, "told").await;
    assert_eq!((row.runs, row.failures, row.said.as_deref()), (5, 0, Some("wrote a row")));
    assert_eq!(wrote(&env).await, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_slept_past_its_lease_writes_nothing_and_is_not_believed() {
    let env = log_env().await;
    let (sleeper, other) = (Told::held("told"), Told::named("told"));
    let stop = CancellationToken::new();
    // It renews every 20 s: in this test it never does, as a paused process never would.
    let slept = tokio::spawn({
        let (pool, job, stop) = (env.log.pg().clone(), sleeper.clone(), stop.clone());
        async move { Jobs::new(pool).with(job.clone()).look(&job, false, &stop).await.unwrap() }
    });
    sleeper.begun.notified().await;
    let jobs = Jobs::new(env.log.pg().clone());
    assert!(matches!(jobs.look(&other, true, &stop).await.unwrap(), Ran::NotNow), "it is leased");
    set(&env.owner_pool, "told", "held_until = clock_timestamp() - interval '1 second'").await;
    assert!(matches!(jobs.look(&other, false, &stop).await.unwrap(), Ran::Done { .. }));
    sleeper.go.unwrap().notify_one();
    assert!(matches!(slept.await.unwrap(), Ran::Failed(JobError::LeaseLost)));
    assert_eq!(wrote(&env).await, [2], "the second lease's only");
    let row = row(&env, "told").await;
    assert_eq!((row.runs, row.failures), (1, 0));
}

/// Not a test: what a worker process does. It works for as long as it lives.
pub async fn hold_a_job() {
    let pool = PgPool::connect(&std::env::var("WG_DATABASE").unwrap()).await.unwrap();
    let job = Told::held("told");
    let (begun, go) = (Arc::clone(&job.begun), job.go.clone().unwrap());
    tokio::spawn(async move {
        begun.notified().await;
        println!("began");
        // While it was paused the time has passed: it goes on to write.
        tokio::time::sleep(Duration::from_secs(5)).await;
        go.notify_one();
    });
    let jobs = Jobs::new(pool).with(job.clone()).leased_for(Duration::from_secs(2));
    println!("ended {:?}", jobs.look(&job, false, &CancellationToken::new()).await);
}

/// Until another process has it.
async fn taken_over(env: &LogEnv) {
    let jobs = Jobs::new(env.log.pg().clone());
    let (job, stop) = (Told::named("told"), CancellationToken::new());
    for _ in 0..400 {
        if matches!(jobs.look(&job, false, &stop).await.unwrap(), Ran::Done { .. }) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nobody took the job over: {:?}", row(env, "told").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_in_the_middle_another_process_takes_over_when_the_lease_is_over() {
    let env = log_env().await;
    let worker = Worker::start(&env, "hold-a-job", &[]);
    worker.wait_for("began").await;
    let jobs = Jobs::new(env.log.pg().clone());
    let early = jobs.look(&Told::named("told"), false, &CancellationToken::new()).await.unwrap();
    assert!(matches!(early, Ran::NotNow), "it lives");
    worker.kill();
    taken_over(&env).await;
    assert_eq!((wrote(&env).await, row(&env, "told").await.runs), (vec![2], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_paused_past_its_lease_wakes_up_and_writes_nothing() {
    let env = log_env().await;
    let worker = Worker::start(&env, "hold-a-job", &[]);
    worker.wait_for("began").await;
    worker.signal("-STOP");
    taken_over(&env).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    worker.signal("-CONT");
    worker.wait_for("ended Ok(Failed(LeaseLost))").await;
    assert_eq!((wrote(&env).await, row(&env, "told").await.runs), (vec![2], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_while_the_work_takes_longer_and_its_loss_ends_the_work() {
    let env = log_env().await;
    let job = Told::held("told");
    let stop = CancellationToken::new();
    let working = tokio::spawn({
        let (pool, job, stop) = (env.log.pg().clone(), job.clone(), stop.clone());
        async move {
            let jobs = Jobs::new(pool).with(job.clone()).leased_for(Duration::from_millis(600));
            jobs.look(&job, false, &stop).await.unwrap()
        }
    });
    job.begun.notified().await;
    tokio::time::sleep(Duration::from_millis(1800)).await;
    assert!(row(&env, "told").await.running, "renewed, three times over");
    // Somebody has it now: the work that never ends is dropped.
    set(&env.owner_pool, "told", "run = run + 1, holder = gen_random_uuid()").await;
    assert!(matches!(working.await.unwrap(), Ran::Failed(JobError::LeaseLost)));
    assert!(wrote(&env).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_is_tried_again_ever_later_and_never_later_than_its_period() {
    let env = log_env().await;
    let job = Told { fails: true, ..Told::named("told") };
    let stop = CancellationToken::new();
    let jobs = Jobs::new(env.log.pg().clone());
    let mut pauses = Vec::new();
    for _ in 0..9 {
        assert!(matches!(jobs.look(&job, true, &stop).await.unwrap(), Ran::Failed(JobError::Failed(_))));
        let sql = "select extract(epoch from due_at - ended_at)::float8 / 60 from scheduled_jobs";
        let minutes: f64 = sqlx::query_scalar(sql).fetch_one(&env.owner_pool).await.unwrap();
        pauses.push(minutes.round() as i64);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let failed = row(&env, "told").await;
    assert_eq!((failed.failing, failed.failures, failed.said.as_deref()), (9, 9, Some("on purpose")));
    assert!(failed.succeeded_at.is_none());
    assert!(matches!(jobs.look(&Told::named("told"), true, &stop).await.unwrap(), Ran::Done { .. }));
    let well = row(&env, "told").await;
    assert_eq!((well.failing, well.failures, well.runs), (0, 9, 10));
    assert!(well.succeeded_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_one_group_never_run_at_once_and_a_stopped_one_is_as_due_as_before() {
    let env = log_env().await;
    let stop = CancellationToken::new();
    let first = Told { group: Some("g"), ..Told::held("first") };
    let second = Told { group: Some("g"), ..Told::named("second") };
    let working = tokio::spawn({
        let (pool, job, stop) = (env.log.pg().clone(), first.clone(), stop.clone());
        async move { Jobs::new(pool).with(job.clone()).look(&job, false, &stop).await.unwrap() }
    });
    first.begun.notified().await;
    let jobs = Jobs::new(env.log.pg().clone());
    let on = CancellationToken::new();
    assert!(matches!(jobs.look(&second, true, &on).await.unwrap(), Ran::NotNow));
    stop.cancel();
    assert!(matches!(working.await.unwrap(), Ran::Failed(JobError::Stopped)));
    assert!(matches!(jobs.look(&second, false, &on).await.unwrap(), Ran::Done { .. }));
    let row = row(&env, "first").await;
    assert!(!row.running && row.runs == 0 && row.overdue_seconds > 0.0, "{row:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_receipts_are_swept_and_young_ones_stay() {
    let env = log_env().await;
    sqlx::raw_sql(
        "insert into command_receipts
         select sha256(int4send(n)), '', gen_random_uuid(), 1, 1, null,
                now() - case when n <= 2500 then interval '73 hours' else interval '71 hours' end
         from generate_series(1, 2600) n",
    )
    .execute(&env.owner_pool)
    .await
    .unwrap();
    let jobs = Jobs::new(env.log.pg().clone());
    let ran = jobs.look(&ExpireReceipts, false, &CancellationToken::new()).await.unwrap();
    assert!(matches!(&ran, Ran::Done { said, .. } if said == "2500 deleted"), "{ran:?}");
    let left: i64 =
        sqlx::query_scalar("select count(*) from command_receipts").fetch_one(&env.owner_pool).await.unwrap();
    assert_eq!(left, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_processes_of_an_installation_do_the_jobs_and_tell_how_they_go() {
    let installation = Installation::new().await;
    let mut api = installation.api_with(&[("ROLES", "command")]).await;
    let second = installation.api_with(&[("ROLES", "command")]).await;
    let named = ["generations", "partitions", "receipts", "retention", "windows"];
    let done = |rows: &[JobStanding]| {
        rows.iter().filter(|row| row.succeeded_at.is_some()).map(|row| row.job.clone()).collect::<Vec<_>>()
    };
    for _ in 0..400 {
        if done(&standing(installation.log.log.pg()).await.unwrap()) == named {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rows = standing(installation.log.log.pg()).await.unwrap();
    assert_eq!(done(&rows), named, "{rows:#?}");
    assert!(rows.iter().all(|row| row.runs == 1), "two processes, one run: {rows:#?}");

    // kill -9 in the middle of a run, as its row shows it; the other process takes over when the
    // lease is over.
    api.kill();
    let dead = "due_at = clock_timestamp(), began_at = clock_timestamp(), run = run + 1,
                holder = gen_random_uuid(), held_until = clock_timestamp() + interval '3 seconds'";
    set(&installation.log.owner_pool, "receipts", dead).await;
    for _ in 0..600 {
        if row(&installation.log, "receipts").await.runs == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(row(&installation.log, "receipts").await.runs, 2);

    let metrics = second.get("/metrics", "").await.text;
    for line in [
        "job_runs_total{job=\"receipts\"} 2",
        "job_failures_total{job=\"receipts\"} 0",
        "job_failing_runs{job=\"partitions\"} 0",
        "job_overdue_seconds{job=\"receipts\"} 0",
        "job_last_success_timestamp_seconds{job=\"windows\"} 1",
        "job_last_duration_seconds{job=\"generations\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing:\n{metrics}");
    }
    let (code, said, problem) = installation.replay(&["jobs", "list", "--json"]);
    assert_eq!(code, 0, "{problem}");
    let listed: Value = serde_json::from_str(&said).unwrap();
    let names: Vec<&str> =
        listed["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "partitions",
            "receipts",
            "windows",
            "generations",
            "retention",
            "backup",
            "backup-wal",
            "backup-proof",
            "backup-prune"
        ]
    );
    assert_eq!(listed["jobs"][1]["runs"], 2);
    assert_eq!(listed["jobs"][5]["due_at"], Value::Null, "nobody serves backups here");
    let (code, said, _) = installation.replay(&["jobs", "run", "receipts"]);
    assert_eq!((code, said.starts_with("receipts: 0 deleted")), (0, true), "{said}");
    let (code, _, problem) = installation.replay(&["jobs", "run", "nonsense"]);
    assert!(code == 2 && problem.contains("no job is called `nonsense`"), "{problem}");
}

/// The whole set, as every process has it.
#[test]
fn every_job_has_a_name_that_its_row_takes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = PgPool::connect_lazy("postgres://nobody@localhost/nothing").unwrap();
        for job in log_jobs(Jobs::new(pool)).iter() {
            let name = job.name();
            assert!(name.len() <= 40 && name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
            assert!(!job.about().is_empty());
        }
    });
}
