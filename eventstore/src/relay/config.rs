use std::time::Duration;

use crate::log::PageLimit;

/// How a relay works.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// The outbox row.
    pub destination: String,
    /// Messages published and not answered yet. Too low: every round trip is waited for; too high:
    /// more is sent in vain after a refusal.
    pub window: usize,
    /// What is read from the log at once; two pages are held.
    pub page: PageLimit,
    /// How long others stand by after the leaseholder's last sign of life. None: publish without
    /// asking, which is correct, only wasteful when two do it.
    pub lease: Option<Duration>,
    /// After this without any answer what was sent is unknown.
    pub ack_timeout: Duration,
    /// How often the cursor row is written at most.
    pub cursor_every: Duration,
    /// How often the log is asked for news when nobody wakes us.
    pub poll: Duration,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            destination: "jetstream".to_owned(),
            window: 4_096,
            page: PageLimit::TAIL,
            lease: Some(Duration::from_secs(3)),
            ack_timeout: Duration::from_secs(2),
            cursor_every: Duration::from_millis(100),
            poll: Duration::from_millis(20),
        }
    }
}
