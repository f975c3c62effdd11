//! Whether our NATS server and its JetStream answer.

use std::io;
use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::endpoints::NatsUser;

/// Asks JetStream for its account. Our random password makes sure it is our server.
pub async fn answers(port: u16, admin_password: &str) -> bool {
    ask(port, admin_password).await.unwrap_or(false)
}

async fn ask(port: u16, password: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let user = NatsUser::Admin.name();
    let question = format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"lang\":\"rust\",\"version\":\"0\",\
         \"protocol\":1,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\n\
         SUB _INBOX.ready 1\r\nPUB $JS.API.INFO _INBOX.ready 0\r\n\r\n"
    );
    stream.write_all(question.as_bytes()).await?;
    let (mut answer, mut buffer) = (Vec::new(), [0_u8; 4096]);
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(false);
        }
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        if text.contains("\r\n-ERR") {
            return Ok(false);
        }
        // The reply is one JSON object; while JetStream recovers it holds an error instead.
        if let Some((_, reply)) = text.split_once("MSG _INBOX.ready")
            && reply.ends_with("}\r\n")
        {
            return Ok(reply.contains("account_info_response") && !reply.contains("\"error\""));
        }
    }
}
