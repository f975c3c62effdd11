//! A private Postgres: created once, configured anew at every start.

mod config;
mod create;
mod probe;

use std::ffi::OsStr;
use std::path::Path;

use crate::binaries::Binary;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::files;
use crate::layout::Layout;
use crate::part::Part;
use crate::run_as::RunAs;
use crate::secrets::Secrets;
use crate::server::Server;
use crate::settings::{Lifetime, Tuning};

/// The superuser. Migrations only.
/// Bytes a backend keeps for its next batch, and takes from the kernel at a time.
const KEPT: &str = "134217728";
const TOP: &str = "4194304";
const OWNER: &str = "weltgewebe_owner";

/// What differs between the log and the key store.
#[derive(Debug, Clone, Copy)]
struct Identity {
    part: Part,
    database: &'static str,
    role: &'static str,
}

fn identity(part: Part) -> Identity {
    match part {
        Part::Keys => Identity { part, database: "weltgewebe_keys", role: "weltgewebe_keys" },
        _ => Identity { part, database: "weltgewebe", role: "weltgewebe_app" },
    }
}

/// Everything needed to start one Postgres, also again.
#[derive(Clone)]
pub struct Postgres {
    identity: Identity,
    layout: Layout,
    binary: Binary,
    run_as: RunAs,
    /// Owner's and role's.
    passwords: [String; 2],
    sockets: std::path::PathBuf,
    lifetime: Lifetime,
    tuning: Tuning,
}

impl Postgres {
    pub fn new(
        part: Part,
        layout: &Layout,
        binary: Binary,
        run_as: RunAs,
        secrets: &Secrets,
        sockets: &Path,
        (lifetime, tuning): (Lifetime, &Tuning),
    ) -> Postgres {
        let passwords = match part {
            Part::Keys => [secrets.keys_owner.clone(), secrets.keys_app.clone()],
            _ => [secrets.log_owner.clone(), secrets.log_app.clone()],
        };
        Postgres {
            identity: identity(part),
            layout: layout.clone(),
            binary,
            run_as,
            passwords,
            sockets: sockets.to_owned(),
            lifetime,
            tuning: tuning.clone(),
        }
    }

    pub fn version(&self) -> String {
        self.binary.version.to_string()
    }

    /// Creates the data where there is none. With `new_passwords` existing data learns them.
    pub async fn prepare(&self, new_passwords: bool, progress: &(dyn Fn(&str) + Sync)) -> Result<(), Error> {
        let data = self.layout.server(self.identity.part);
        if !data.join("PG_VERSION").exists() {
            progress(&format!("creating {}", self.identity.part));
            return self.create().await;
        }
        self.run_as.give(&data)?;
        self.forget_dead_postmaster();
        if new_passwords {
            progress(&format!("setting new passwords in {}", self.identity.part));
            self.write_config(&data, None)?;
            self.set_passwords(&data).await?;
        }
        Ok(())
    }

    pub async fn start(&self, port: u16) -> Result<Server, Error> {
        let part = self.identity.part;
        let data = self.layout.server(part);
        self.forget_dead_postmaster();
        self.write_config(&data, Some(port))?;
        let mut command = self.run_as.server(self.binary.path.as_os_str(), self.lifetime);
        command.arg("-D").arg(&data).current_dir(&data);
        self.environment(&mut command);
        let mut server = Server::spawn(part, port, command, self.layout.log_file(part))?;
        let pid = server.identity.pid;
        let socket = self.sockets.join(format!(".s.PGSQL.{port}"));
        server
            .until_ready(self.tuning.start_timeout, || {
                probe::answers(&data, pid, &socket, self.identity.database)
            })
            .await?;
        Ok(server)
    }

    pub fn fill(&self, port: u16, endpoints: &mut Endpoints) {
        let Identity { part, database, role } = self.identity;
        let [owner_password, password] = &self.passwords;
        let owner = format!("postgres://{OWNER}:{owner_password}@127.0.0.1:{port}/{database}");
        let app = format!("postgres://{role}:{password}@127.0.0.1:{port}/{database}");
        if part == Part::Keys {
            endpoints.keys_owner_database_url = owner;
            endpoints.keys_database_url = app;
        } else {
            let host = percent_encoded(self.sockets.as_os_str());
            endpoints.owner_database_url = owner;
            endpoints.database_url = app;
            endpoints.database_socket_url =
                format!("postgres://{role}:{password}@localhost:{port}/{database}?host={host}");
        }
    }

    /// A postmaster.pid left by kill -9 names a pid that may by now be any process of ours,
    /// and Postgres would then refuse to start. We hold the folder's lock and have seen that
    /// no Postgres works in it any more.
    fn forget_dead_postmaster(&self) {
        // Usually there is none.
        let _ = std::fs::remove_file(self.layout.server(self.identity.part).join("postmaster.pid"));
    }

    fn write_config(&self, data: &Path, port: Option<u16>) -> Result<(), Error> {
        let compression = if self.compresses_with_lz4(data) { "lz4" } else { "on" };
        let sockets = self.sockets.as_os_str();
        let main = config::postgresql_conf(self.identity.part, port, sockets, compression, &self.tuning);
        for (name, text) in [("postgresql.conf", main.as_slice()), ("pg_hba.conf", config::HBA.as_bytes())] {
            let path = data.join(name);
            files::write_private(&path, text)
                .map_err(|source| Error::NotWritable { path: path.clone(), source })?;
            self.run_as.give(&path)?;
        }
        Ok(())
    }

    /// Only a Postgres built with it accepts the word.
    fn compresses_with_lz4(&self, data: &Path) -> bool {
        let mut command = std::process::Command::new(&self.binary.path);
        // `-C` is the one thing Postgres does as root.
        command.args(["-C", "wal_compression", "-c", "wal_compression=lz4", "-D"]).arg(data);
        self.environment(&mut command);
        command.output().is_ok_and(|output| output.status.success())
    }

    fn environment(&self, command: &mut std::process::Command) {
        for name in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGOPTIONS"] {
            // What a developer exported for his own Postgres must not reach this one.
            command.env_remove(name);
        }
        command.env("TZ", "UTC").env("LC_ALL", "C");
        // A batch's arrays take a few MiB for a few ms. glibc would return them to the kernel after
        // each batch and fault every page in again: a sixteenth of the server's time.
        command
            .env("MALLOC_TRIM_THRESHOLD_", KEPT)
            .env("MALLOC_MMAP_THRESHOLD_", KEPT)
            .env("MALLOC_TOP_PAD_", TOP);
        if let Some(libraries) = &self.binary.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
    }
}

fn percent_encoded(text: &OsStr) -> String {
    let mut encoded = String::new();
    for byte in text.as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_folder_survives_being_put_into_a_url() {
        assert_eq!(percent_encoded(OsStr::new("/a b/ü")), "%2Fa%20b%2F%C3%BC");
    }
}
