//! Whether our Postgres lets clients in.

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::OWNER;

/// Its postmaster.pid says that *this* process is ready, and it asks a client for the
/// password. On our own socket: what answers on a TCP port could be somebody else's.
pub async fn answers(data: &Path, pid: u32, socket: &Path, database: &str) -> bool {
    let status = tokio::fs::read_to_string(data.join("postmaster.pid")).await.unwrap_or_default();
    let mut lines = status.lines();
    let ours = lines.next().is_some_and(|first| first.trim() == pid.to_string());
    // Line 8 is the state; lines in between are data folder, start time, port, addresses.
    let ready = lines.nth(6).is_some_and(|state| state.trim() == "ready");
    ours && ready && asks_for_password(socket, database).await.unwrap_or(false)
}

async fn asks_for_password(socket: &Path, database: &str) -> std::io::Result<bool> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&startup_message(database)).await?;
    // 'R' is an authentication request, 'E' an error such as "is starting up".
    Ok(stream.read_u8().await? == b'R')
}

/// Length, protocol 3.0, parameters, closing zero.
fn startup_message(database: &str) -> Vec<u8> {
    let body = format!("user\0{OWNER}\0database\0{database}\0\0");
    let length = u32::try_from(body.len() + 8).unwrap_or(u32::MAX);
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(&196_608_u32.to_be_bytes());
    message.extend_from_slice(body.as_bytes());
    message
}
