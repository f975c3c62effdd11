//! A private Redis. It holds views that can be rebuilt: nothing is written to disk.

use std::io;
use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

#[derive(Clone)]
pub struct Redis {
    layout: Layout,
    binary: Binary,
    password: String,
    lifetime: Lifetime,
    tuning: Tuning,
}

impl Redis {
    pub fn new(
        layout: &Layout,
        binary: Binary,
        secrets: &Secrets,
        (lifetime, tuning): (Lifetime, &Tuning),
    ) -> Redis {
        let password = secrets.redis.clone();
        Redis { layout: layout.clone(), binary, password, lifetime, tuning: tuning.clone() }
    }

    pub fn version(&self) -> String {
        self.binary.version.to_string()
    }

    pub async fn start(&self, port: u16) -> Result<Server, Error> {
        let folder = self.layout.server(Part::Redis);
        files::private_dir(&folder)?;
        let path = folder.join("redis.conf");
        files::write_private(&path, self.config(port).as_bytes())
            .map_err(|source| Error::NotWritable { path: path.clone(), source })?;
        let mut command = RunAs::Ourselves.server(self.binary.path.as_os_str(), self.lifetime);
        command.arg(&path).current_dir(&folder);
        if let Some(libraries) = &self.binary.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let mut server = Server::spawn(Part::Redis, port, command, self.layout.log_file(Part::Redis))?;
        server.until_ready(self.tuning.start_timeout, || answers(port, &self.password)).await?;
        Ok(server)
    }

    pub fn fill(&self, port: u16, endpoints: &mut Endpoints) {
        endpoints.redis_url = format!("redis://default:{}@127.0.0.1:{port}", self.password);
    }

    fn config(&self, port: u16) -> String {
        let Redis { password, tuning: Tuning { redis_max_memory_mb, .. }, .. } = self;
        format!(
            "# Written by weltgewebe at every start: change Tuning, not this file.\n\
             bind 127.0.0.1\nport {port}\nrequirepass {password}\n\
             daemonize no\nsupervised no\npidfile \"\"\nlogfile \"\"\nloglevel notice\n\
             save \"\"\nappendonly no\nmaxmemory {redis_max_memory_mb}mb\nmaxmemory-policy noeviction\n"
        )
    }
}

/// Our random password makes sure that it is our server that answers.
async fn answers(port: u16, password: &str) -> bool {
    let ask = async || -> io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(format!("AUTH {password}\r\nPING\r\n").as_bytes()).await?;
        let expected = b"+OK\r\n+PONG\r\n";
        let mut answer = [0_u8; 12];
        stream.read_exact(&mut answer).await?;
        Ok(&answer == expected)
    };
    ask().await.unwrap_or(false)
}
