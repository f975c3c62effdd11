//! Debian's PgBouncer 1.18 in transaction mode: it mixes up prepared statements and is refused.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;

use crate::support::{Installation, shared};

struct PgBouncer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    [root.join(".servers/bin/pgbouncer"), PathBuf::from("/usr/sbin/pgbouncer")]
        .into_iter()
        .find(|path| path.exists())
        .expect("PgBouncer is missing: run `scripts/servers.sh --test-extras`")
}

impl PgBouncer {
    async fn start(database: &PgConnectOptions, password: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("wg-it-pgb-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let users = folder.path().join("users");
        let user = database.get_username();
        std::fs::write(&users, format!("\"{user}\" \"{password}\"\n")).unwrap();
        let config = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = plain\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 4\nignore_startup_parameters = extra_float_digits\nlogfile = {}\n",
            database.get_host(),
            database.get_port(),
            users.display(),
            folder.path().join("log").display(),
        );
        std::fs::write(&config, text).unwrap();
        // It refuses to run as root; in a namespace of its own root is nobody special.
        let root = Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n");
        let mut command = if root {
            let mut command = Command::new("unshare");
            command.args(["-U", "--map-user=1000", "--map-group=1000"]).arg(program());
            command
        } else {
            Command::new(program())
        };
        let child = command.arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let bouncer = Self { child, port, _folder: folder };
        for _ in 0..200 {
            if PgConnection::connect_with(&bouncer.through(database)).await.is_ok() {
                return bouncer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(bouncer._folder.path().join("log")).unwrap_or_default();
        panic!("PgBouncer does not answer:\n{log}");
    }

    fn through(&self, database: &PgConnectOptions) -> PgConnectOptions {
        database.clone().host("127.0.0.1").port(self.port)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pgbouncer_below_1_21_is_refused_with_one_sentence() {
    let place = Installation::new().await;
    let url = &shared().database_url;
    let password = url.split([':', '@']).nth(2).unwrap();
    let bouncer = PgBouncer::start(&place.log.options, password).await;
    let options = bouncer.through(&place.log.options);
    assert!(!eventstore::keeps_prepared_statements(&options).await.unwrap());
    // Control: the same question without the proxy.
    assert!(eventstore::keeps_prepared_statements(&place.log.options).await.unwrap());

    let output = place
        .command("api")
        .arg("serve")
        .env("PORT", "0")
        .env("LOG", "error")
        .env("DATABASE_URL", options.to_url_lossy().to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("PgBouncer below 1.21"), "{text}");
    assert!(output.stdout.is_empty());
    let mut direct = PgConnection::connect_with(&place.log.options).await.unwrap();
    direct.ping().await.unwrap();
}
