use std::net::{IpAddr, SocketAddr};

use clap::Args;

use crate::http::ServerLimits;

/// Where the HTTP server listens.
#[derive(Debug, Clone, Args)]
pub struct HttpSettings {
    /// TCP port of the HTTP server; 0 takes a free one.
    #[arg(long, env = "PORT", default_value_t = 8080, value_name = "NUMBER")]
    pub port: u16,
    /// Address it listens on; anything but loopback needs a proxy with TLS in front.
    #[arg(long, env = "BIND", default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub bind: IpAddr,
    /// Open connections; where there is no room the one goes that has waited longest without a request.
    #[arg(long, env = "CONNECTIONS", default_value_t = 2_048, value_name = "NUMBER", value_parser = one_or_more)]
    pub connections: usize,
    /// How many of them one address (IPv6: one /64) may have; this machine three quarters of all. Raise
    /// it for a proxy on another machine.
    #[arg(
        long,
        env = "CONNECTIONS_PER_ADDRESS",
        default_value_t = 256,
        value_name = "NUMBER",
        value_parser = one_or_more
    )]
    pub connections_per_address: usize,
}

fn one_or_more(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=100_000) => Ok(number),
        _ => Err("write a number from 1 to 100000".to_owned()),
    }
}

impl HttpSettings {
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    #[must_use]
    pub fn limits(&self) -> ServerLimits {
        ServerLimits {
            connections: self.connections,
            per_address: self.connections_per_address,
            ..ServerLimits::default()
        }
    }
}
