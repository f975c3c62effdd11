use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Asks Redis whether it is there. Nothing else uses Redis yet, so a client library would be a
/// dependency for one `PING`.
#[derive(Clone)]
pub struct RedisProbe {
    address: String,
    user: Option<String>,
    password: Option<String>,
}

impl RedisProbe {
    /// From `redis://[user][:password@]host[:port][/…]`.
    #[must_use]
    pub fn from_url(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("redis://")?;
        let rest = rest.split(['/', '?']).next()?;
        let (login, host) = rest.rsplit_once('@').map_or((None, rest), |(login, host)| (Some(login), host));
        if host.is_empty() {
            return None;
        }
        let decoded = |text: &str| {
            let pair = format!("a={}", text.replace('+', "%2B"));
            form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
        };
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            None => (None, None),
            Some((user, password)) => (decoded(user), decoded(password)),
        };
        let given = |text: &String| !text.is_empty();
        let address = if host.contains(':') { host.to_owned() } else { format!("{host}:6379") };
        Some(Self { address, user: user.filter(given), password: password.filter(given) })
    }

    /// # Errors
    /// Not there, or not as it should be; the text holds no secret.
    pub async fn ping(&self) -> Result<(), String> {
        match timeout(Duration::from_secs(1), self.ask()).await {
            Ok(Ok(answer)) if answer.ends_with("+PONG\r\n") => Ok(()),
            Ok(Ok(_)) => Err("an unexpected answer".into()),
            Ok(Err(error)) => Err(error.kind().to_string()),
            Err(_) => Err("no answer within 1 s".into()),
        }
    }

    async fn ask(&self) -> io::Result<String> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let mut question = Vec::new();
        let mut answers = 1;
        if let Some(password) = &self.password {
            let mut auth = vec!["AUTH"];
            auth.extend(self.user.as_deref());
            auth.push(password);
            command(&mut question, &auth);
            answers += 1;
        }
        command(&mut question, &["PING"]);
        stream.write_all(&question).await?;
        let (mut text, mut buffer) = (String::new(), [0; 256]);
        while text.matches("\r\n").count() < answers {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        Ok(text)
    }
}

fn command(out: &mut Vec<u8>, words: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let full = RedisProbe::from_url("redis://ada:s%40fe@cache:7000/0").unwrap();
        assert_eq!(full.address, "cache:7000");
        assert_eq!((full.user.as_deref(), full.password.as_deref()), (Some("ada"), Some("s@fe")));
        let ours = RedisProbe::from_url("redis://:geheim@127.0.0.1:12345").unwrap();
        assert_eq!((ours.user.as_deref(), ours.password.as_deref()), (None, Some("geheim")));
        assert_eq!(RedisProbe::from_url("redis://cache").unwrap().address, "cache:6379");
        assert!(RedisProbe::from_url("http://cache").is_none());
    }
}
