use std::{convert::Infallible, fmt, str::FromStr};

/// A URL with a password, or a key: shown nowhere, not even with `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// For its one use only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl FromStr for SecretText {
    type Err = Infallible;

    fn from_str(url: &str) -> Result<Self, Infallible> {
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_password() {
        let url: SecretText = "postgres://a:geheim@h/d".parse().unwrap();
        assert!(!format!("{url:?}").contains("geheim"));
    }
}
