//! A real streaming replica of an `OwnCluster`: copied by pg_basebackup, promoted by pg_promote.

use std::{
    ffi::OsString,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr,
    time::Duration,
};

use embedded::Part;
use sqlx::{
    PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tempfile::TempDir;

use crate::support::OwnCluster;

/// The replica's server process and its data. Killed when dropped.
pub struct Standby {
    folder: TempDir,
    postgres: PathBuf,
    libraries: Option<OsString>,
    child: Child,
    /// As the owner and as the application, on this server.
    owner: PgConnectOptions,
    app: PgConnectOptions,
}

impl Standby {
    /// Copies the primary and follows it.
    pub async fn of(own: &OwnCluster) -> Self {
        let pid = own.cluster.pid(Part::Log).expect("the primary runs");
        let postgres = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        let libraries = library_path(pid);
        let folder = tempfile::Builder::new().prefix("wg-it-standby-").tempdir().unwrap();
        let data = folder.path().join("data");
        let owner = own.env.owner_options.clone();
        let password = password_of(&own.cluster.endpoints().owner_database_url);
        let program = postgres.with_file_name("pg_basebackup");
        assert!(program.exists(), "{} is missing: run `make servers`", program.display());
        let mut copy = Command::new(program);
        copy.args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "-w"])
            .args(["-h", owner.get_host(), "-p", &owner.get_port().to_string(), "-U", owner.get_username()])
            .arg("-D")
            .arg(&data)
            .env("PGPASSWORD", password);
        if let Some(libraries) = &libraries {
            copy.env("LD_LIBRARY_PATH", libraries);
        }
        let copied = copy.output().unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        std::fs::set_permissions(&data, PermissionsExt::from_mode(0o700)).unwrap();
        let port = free_port();
        let child = start(&postgres, libraries.as_ref(), &data, port);
        let mut standby = Self {
            folder,
            postgres,
            libraries,
            child,
            owner: owner.port(port),
            app: own.env.options.clone().port(port),
        };
        standby.until_answering().await;
        standby
    }

    pub fn owner_pool(&self) -> PgPool {
        PgPoolOptions::new().max_connections(4).connect_lazy_with(self.owner.clone())
    }

    pub const fn options(&self) -> &PgConnectOptions {
        &self.app
    }

    /// Waits until it has replayed the log up to here.
    pub async fn until_at(&self, position: i64) {
        let pool = self.owner_pool();
        for _ in 0..400 {
            let row = sqlx::query("select position from log_head").fetch_one(&pool).await.unwrap();
            if row.get::<i64, _>(0) >= position {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the standby never reached position {position}");
    }

    /// Asynchronous replication at its worst: from here on nothing arrives any more.
    pub async fn stop_streaming(&self) {
        let pool = self.owner_pool();
        sqlx::query("alter system set primary_conninfo = ''").execute(&pool).await.unwrap();
        sqlx::query("select pg_reload_conf()").execute(&pool).await.unwrap();
        for _ in 0..400 {
            let row =
                sqlx::query("select count(*) from pg_stat_wal_receiver").fetch_one(&pool).await.unwrap();
            if row.get::<i64, _>(0) == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the standby never stopped streaming");
    }

    pub async fn promote(&self) {
        let row = sqlx::query("select pg_promote()").fetch_one(&self.owner_pool()).await.unwrap();
        assert!(row.get::<bool, _>(0), "promoted in time");
    }

    /// Comes back on the port of the dead primary, as a moved address would bring it.
    pub async fn move_to_port(&mut self, port: u16) {
        // The postmaster's fast shutdown; the child's pid is the postmaster's.
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap();
        self.child = start(&self.postgres, self.libraries.as_ref(), &self.folder.path().join("data"), port);
        self.owner = self.owner.clone().port(port);
        self.app = self.app.clone().port(port);
        self.until_answering().await;
    }

    async fn until_answering(&mut self) {
        for _ in 0..400 {
            if let Some(status) = self.child.try_wait().unwrap() {
                let log = std::fs::read_to_string(self.folder.path().join("data.log")).unwrap_or_default();
                panic!("the standby ended ({status}):\n{log}");
            }
            let pool = self.owner_pool();
            let asked = sqlx::query("select 1").fetch_one(&pool);
            if matches!(tokio::time::timeout(Duration::from_secs(1), asked).await, Ok(Ok(_))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the standby never answered");
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Postgres refuses to be root: then it runs in a user namespace, as the private servers do. Each
/// wrapper execs the next, so the child's pid is the postmaster's, and it dies with this thread.
fn start(postgres: &Path, libraries: Option<&OsString>, data: &Path, port: u16) -> Child {
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut words: Vec<&str> = vec![];
    if is_root {
        words.extend(["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]);
    }
    words.extend(["setpriv", "--pdeathsig=KILL", "--"]);
    let log = std::fs::File::options().create(true).append(true).open(data.with_extension("log")).unwrap();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .arg(postgres)
        .arg("-D")
        .arg(data)
        .args(["-c", &format!("port={port}"), "-c", "unix_socket_directories=", "-c", "hot_standby=on"])
        .current_dir(data)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    if let Some(libraries) = libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command.spawn().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Servers unpacked without root bring their libraries along.
fn library_path(pid: u32) -> Option<OsString> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let text = String::from_utf8(environment).ok()?;
    text.split('\0').find_map(|line| line.strip_prefix("LD_LIBRARY_PATH=")).map(OsString::from)
}

fn password_of(url: &str) -> String {
    // Parsed once more, because the options do not give their password away.
    PgConnectOptions::from_str(url).unwrap();
    let (_, rest) = url.split_once("://").unwrap();
    let (login, _) = rest.rsplit_once('@').unwrap();
    login.split_once(':').unwrap().1.to_owned()
}
