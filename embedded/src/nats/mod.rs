//! A private NATS server with JetStream.

mod config;
mod probe;

use crate::binaries::Binary;
use crate::endpoints::{Endpoints, NatsEndpoints, NatsUsers};
use crate::error::Error;
use crate::files;
use crate::layout::Layout;
use crate::part::Part;
use crate::run_as::RunAs;
use crate::secrets::Secrets;
use crate::server::Server;
use crate::settings::{Lifetime, Tuning};

#[derive(Clone)]
pub struct Nats {
    layout: Layout,
    binary: Binary,
    users: NatsUsers,
    lifetime: Lifetime,
    tuning: Tuning,
}

impl Nats {
    pub fn new(
        layout: &Layout,
        binary: Binary,
        secrets: &Secrets,
        (lifetime, tuning): (Lifetime, &Tuning),
    ) -> Nats {
        let users = secrets.nats.clone();
        Nats { layout: layout.clone(), binary, users, lifetime, tuning: tuning.clone() }
    }

    pub fn version(&self) -> String {
        self.binary.version.to_string()
    }

    pub async fn start(&self, port: u16) -> Result<Server, Error> {
        let folder = self.layout.server(Part::Nats);
        files::private_dir(&folder)?;
        let path = folder.join("nats.conf");
        let text = config::nats_conf(port, &self.users, &self.tuning);
        files::write_private(&path, text.as_bytes())
            .map_err(|source| Error::NotWritable { path: path.clone(), source })?;
        let mut command = RunAs::Ourselves.server(self.binary.path.as_os_str(), self.lifetime);
        command.arg("-c").arg(&path).current_dir(&folder);
        let mut server = Server::spawn(Part::Nats, port, command, self.layout.log_file(Part::Nats))?;
        server.until_ready(self.tuning.start_timeout, || probe::answers(port, &self.users.admin)).await?;
        Ok(server)
    }

    pub fn fill(&self, port: u16, endpoints: &mut Endpoints) {
        endpoints.nats = NatsEndpoints { url: format!("nats://127.0.0.1:{port}"), users: self.users.clone() };
    }
}
