//! Free ports on 127.0.0.1.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use rand::RngExt;

/// Below this are the usual services of a machine.
const LOWEST: u16 = 12_000;

/// A port nobody listens on now, below the range the kernel gives to outgoing connections.
/// In that range a server that restarts could find its port used by some client's
/// connection, and a client that reconnects to a dead server can even reach itself.
pub fn free() -> u16 {
    let end = ephemeral_start().max(LOWEST + 1_000);
    let mut random = rand::rng();
    for _ in 0..200 {
        let port = random.random_range(LOWEST..end);
        if is_free(port) {
            return port;
        }
    }
    // A machine with thousands of listeners: the caller finds out and asks again.
    random.random_range(LOWEST..end)
}

pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn ephemeral_start() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_ascii_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768)
}
