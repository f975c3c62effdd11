//! Private Typesense and Meilisearch, where their programs are installed. What they hold can be
//! filled again from the log: a start on another port begins empty.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::binaries::Binary;
use crate::endpoints::{Endpoints, SearchEndpoint};
use crate::error::Error;
use crate::files;
use crate::layout::Layout;
use crate::part::Part;
use crate::ports;
use crate::run_as::RunAs;
use crate::secrets::Secrets;
use crate::server::Server;
use crate::settings::{Lifetime, Tuning};

#[derive(Clone)]
pub struct Search {
    part: Part,
    layout: Layout,
    binary: Binary,
    key: String,
    lifetime: Lifetime,
    tuning: Tuning,
}

impl Search {
    pub fn new(
        part: Part,
        layout: &Layout,
        binary: Binary,
        secrets: &Secrets,
        (lifetime, tuning): (Lifetime, &Tuning),
    ) -> Search {
        let key = if part == Part::Typesense { &secrets.typesense } else { &secrets.meilisearch };
        let (layout, key, tuning) = (layout.clone(), key.clone(), tuning.clone());
        Search { part, layout, binary, key, lifetime, tuning }
    }

    pub fn version(&self) -> String {
        match self.part {
            Part::Typesense => "unknown".to_owned(),
            _ => self.binary.version.to_string(),
        }
    }

    pub async fn start(&self, port: u16) -> Result<Server, Error> {
        let folder = self.layout.server(self.part);
        files::private_dir(&folder)?;
        let path = folder.join("server.conf");
        // Typesense writes its own address into its log: with another one it would wait for the
        // server it was.
        let peering = match kept_peering(&path, port) {
            Some(peering) => peering,
            None => {
                let _ = fs::remove_dir_all(folder.join("data"));
                ports::free()
            }
        };
        let data = folder.join("data");
        files::private_dir(&data)?;
        let text = match self.part {
            Part::Typesense => self.typesense(port, peering, &data),
            _ => self.meilisearch(port, &folder),
        };
        files::write_private(&path, text.as_bytes())
            .map_err(|source| Error::NotWritable { path: path.clone(), source })?;
        let mut command = RunAs::Ourselves.server(self.binary.path.as_os_str(), self.lifetime);
        let option = if self.part == Part::Typesense { "--config" } else { "--config-file-path" };
        command.arg(format!("{option}={}", path.display())).current_dir(&folder);
        // Neither asks its environment for what the file does not say.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("TYPESENSE_") || text.starts_with("MEILI_") {
                command.env_remove(&name);
            }
        }
        let mut server = Server::spawn(self.part, port, command, self.layout.log_file(self.part))?;
        server.until_ready(self.tuning.start_timeout, || self.answers(port)).await?;
        Ok(server)
    }

    pub fn fill(&self, port: u16, endpoints: &mut Endpoints) {
        let endpoint = SearchEndpoint { url: format!("http://127.0.0.1:{port}"), key: self.key.clone() };
        match self.part {
            Part::Typesense => endpoints.typesense = endpoint,
            _ => endpoints.meilisearch = endpoint,
        }
    }

    fn typesense(&self, port: u16, peering: u16, data: &Path) -> String {
        format!(
            "; Written by weltgewebe at every start.\n[server]\n\
             api-key = {}\ndata-dir = {}\napi-address = 127.0.0.1\napi-port = {port}\n\
             peering-address = 127.0.0.1\npeering-port = {peering}\nthread-pool-size = 4\n",
            self.key,
            data.display()
        )
    }

    fn meilisearch(&self, port: u16, folder: &Path) -> String {
        let below = |name: &str| folder.join("data").join(name).display().to_string();
        format!(
            "# Written by weltgewebe at every start.\n\
             env = \"production\"\nno_analytics = true\nmaster_key = {:?}\nhttp_addr = \"127.0.0.1:{port}\"\n\
             db_path = {:?}\ndump_dir = {:?}\nsnapshot_dir = {:?}\nmax_indexing_threads = 2\n",
            self.key,
            below("db"),
            below("dumps"),
            below("snapshots")
        )
    }

    /// Our random key makes sure that it is our server that answers.
    async fn answers(&self, port: u16) -> bool {
        let header = match self.part {
            Part::Typesense => format!("X-TYPESENSE-API-KEY: {}", self.key),
            _ => format!("Authorization: Bearer {}", self.key),
        };
        let path = if self.part == Part::Typesense { "/collections" } else { "/indexes" };
        get(port, path, &header).await.is_ok_and(|status| status.contains(" 200"))
    }
}

/// The first line of the answer.
async fn get(port: u16, path: &str, header: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{header}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer[..length]);
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// The peering port of a server that ran on this port here before.
fn kept_peering(path: &Path, port: u16) -> Option<u16> {
    let text = fs::read_to_string(path).ok()?;
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('='));
    if let Some(peering) = value("peering-port") {
        let kept = value("api-port")?.trim().parse::<u16>().ok()? == port;
        return kept.then(|| peering.trim().parse().ok()).flatten();
    }
    // Meilisearch has none; what it holds does not depend on the port either.
    text.contains("db_path").then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_kept_for_the_port_it_was_written_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.conf");
        assert_eq!(kept_peering(&path, 7), None);
        fs::write(&path, "[server]\napi-port = 7\npeering-port = 9\n").unwrap();
        assert_eq!(kept_peering(&path, 7), Some(9));
        assert_eq!(kept_peering(&path, 8), None);
        fs::write(&path, "db_path = \"x\"\n").unwrap();
        assert_eq!(kept_peering(&path, 8), Some(0));
    }
}
