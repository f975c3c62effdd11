/// Why a stream takes nothing, in classes: the server's own words may say anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// Its disk, or what it may use of it, is full.
    Storage = 1,
    /// The account or the server has no more memory, streams or consumers to give.
    Resources = 2,
    /// The stream is sealed, or this user may not publish.
    Forbidden = 3,
    /// JetStream is off: so a server ends that could not write.
    Off = 4,
    Other = 5,
    /// It was asked again and again and took nothing, without a word: so does a full disk at first.
    Silent = 6,
}

impl Refusal {
    pub const ALL: [Self; 6] =
        [Self::Storage, Self::Resources, Self::Forbidden, Self::Off, Self::Other, Self::Silent];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Resources => "resources",
            Self::Forbidden => "forbidden",
            Self::Off => "off",
            Self::Other => "other",
            Self::Silent => "silent",
        }
    }

    /// For people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Storage => "the stream refuses everything: its disk or its limit is full",
            Self::Resources => "the stream refuses everything: NATS is out of resources",
            Self::Forbidden => "the stream refuses everything: it is sealed, or this user may not publish",
            Self::Off => "the stream refuses everything: JetStream is off, start NATS again",
            Self::Other => "the stream refuses everything",
            Self::Silent => "the stream refuses everything: it takes no message and does not say why",
        }
    }

    /// `None` for "not now", which the next question may find over.
    pub(super) const fn of(code: u64) -> Option<Self> {
        match code {
            // No answer that can be read; nobody there, or a leader being chosen; the same message
            // is on its way already.
            0 | 503 | 10008 | 10009 | 10158 => None,
            10047 | 10077 | 10122 => Some(Self::Storage),
            10002 | 10023 | 10028 => Some(Self::Resources),
            10109 => Some(Self::Forbidden),
            10039 | 10076 => Some(Self::Off),
            _ => Some(Self::Other),
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| *refusal as u8 == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_now_is_no_refusal_and_numbers_come_back() {
        for code in [0, 503, 10158] {
            assert_eq!(Refusal::of(code), None, "{code}");
        }
        assert_eq!(Refusal::of(10047), Some(Refusal::Storage));
        assert_eq!(Refusal::of(10023), Some(Refusal::Resources));
        assert_eq!(Refusal::of(12_345), Some(Refusal::Other));
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from_number(refusal as u8), Some(refusal));
        }
        assert_eq!(Refusal::from_number(0), None);
    }
}
