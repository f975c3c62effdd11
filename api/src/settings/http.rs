use std::net::{IpAddr, SocketAddr};

use clap::Args;

/// Where the HTTP server listens.
#[derive(Debug, Clone, Args)]
pub struct HttpSettings {
    /// TCP port of the HTTP server; 0 takes a free one.
    #[arg(long, env = "PORT", default_value_t = 8080, value_name = "NUMBER")]
    pub port: u16,
    /// Address it listens on; anything but loopback needs a proxy with TLS in front.
    #[arg(long, env = "BIND", default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub bind: IpAddr,
}

impl HttpSettings {
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }
}
