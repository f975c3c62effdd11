use std::borrow::Cow;

/// Which kind of "no"; the edge maps each to one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// The caller may not do this (403).
    Forbidden,
    /// Not there, or not to be seen by this caller (404).
    Missing,
    /// Parsed, but breaks a rule on a field (422).
    Invalid,
    /// The state does not allow it: exists, taken, final, total quota (409).
    State,
    /// Too many in a window of time (429).
    Window,
}

/// A command that was refused by rule. Never quotes a personal value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Rejection {
    pub kind: RejectionKind,
    /// Stable, kebab-case; the last part of the problem document's `type`.
    pub code: &'static str,
    /// One sentence for a human.
    pub detail: Cow<'static, str>,
    /// JSON pointer into the command's body, where one field is to blame.
    pub pointer: Option<&'static str>,
    /// After how many seconds it may be tried again, where time alone helps.
    pub retry_after_s: Option<u32>,
}

impl Rejection {
    pub fn new(kind: RejectionKind, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, code, detail: detail.into(), pointer: None, retry_after_s: None }
    }

    pub fn forbidden(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::Forbidden, code, detail)
    }

    pub fn missing(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::Missing, "not-found", detail)
    }

    pub fn state(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::State, code, detail)
    }

    pub fn invalid(pointer: &'static str, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: Some(pointer), ..Self::new(RejectionKind::Invalid, code, detail) }
    }
}
