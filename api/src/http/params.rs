use std::{borrow::Cow, ops::RangeInclusive};

use crate::problem::Problem;

/// The query parameters of one request: known ones only, each at most once.
#[derive(Debug)]
pub struct Params<'q>(Vec<(&'static str, Cow<'q, str>)>);

impl<'q> Params<'q> {
    /// # Errors
    /// 400 for a parameter that is unknown or repeated.
    pub fn parse(query: Option<&'q str>, known: &[&'static str]) -> Result<Self, Problem> {
        let mut found: Vec<(&'static str, Cow<'q, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let Some(name) = known.iter().find(|known| **known == name) else {
                let known = known.join(", ");
                let detail = if known.is_empty() {
                    "This route knows no query parameters.".to_owned()
                } else {
                    format!("An unknown query parameter; known are {known}.")
                };
                return Err(Problem::bad_parameter("query", detail));
            };
            if found.iter().any(|(other, _)| other == name) {
                return Err(Problem::bad_parameter(name, "Give this parameter once only."));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_ref())
    }

    /// All that were given, in the order of their names.
    pub fn sorted(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let mut all: Vec<_> = self.0.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        all.sort_unstable();
        all.into_iter()
    }

    /// A comma list without blanks; empty when the parameter is absent.
    ///
    /// # Errors
    /// 400 for an empty element or more than 100.
    pub fn set(&self, name: &'static str) -> Result<Vec<String>, Problem> {
        let Some(text) = self.get(name) else { return Ok(vec![]) };
        let items: Vec<String> = text.split(',').map(|item| item.trim().to_owned()).collect();
        if items.len() > 100 || items.iter().any(|item| item.is_empty() || item.contains('\0')) {
            return Err(Problem::bad_parameter(name, "Write 1 to 100 values with commas between them."));
        }
        Ok(items)
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// 400
    pub fn number(&self, name: &'static str, within: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse().ok().filter(|number| plain && within.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (low, high) = (within.start(), within.end());
                Err(Problem::bad_parameter(name, format!("Write a whole number from {low} to {high}.")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        let parse = |query| Params::parse(Some(query), &["limit", "tag"]).map(|_| ());
        assert!(parse("limit=1&tag=a").is_ok() && parse("").is_ok());
        assert_eq!(parse("limitt=1").unwrap_err().status(), 400);
        assert_eq!(parse("limit=1&limit=2").unwrap_err().status(), 400);
    }

    #[test]
    fn sets_and_numbers_are_checked() {
        let params = Params::parse(Some("tag=a,%20b&limit=1000&kind="), &["tag", "limit", "kind"]).unwrap();
        assert_eq!(params.set("tag").unwrap(), ["a", "b"]);
        assert!(params.set("kind").is_err());
        assert_eq!(params.number("limit", 1..=1000).unwrap(), Some(1000));
        assert!(params.number("limit", 1..=100).is_err());
        assert!(params.number("tag", 1..=100).is_err());
    }
}
