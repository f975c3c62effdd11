use std::{borrow::Cow, ops::RangeInclusive};

use percent_encoding::percent_decode_str;

use crate::problem::Problem;

/// Parameters of which any of several values will do: they may be repeated.
const SETS: [&str; 2] = ["kind", "tag"];

/// The query parameters of one request: known ones only, each at most once but those that are sets.
#[derive(Debug)]
pub struct Params<'q>(Vec<(&'static str, Cow<'q, str>)>);

impl<'q> Params<'q> {
    /// # Errors
    /// 400 for a parameter that is unknown or repeated, and for a query that is no text.
    pub fn parse(query: Option<&'q str>, known: &[&'static str]) -> Result<Self, Problem> {
        let mut found: Vec<(&'static str, Cow<'q, str>)> = Vec::new();
        let query = query.unwrap_or_default();
        // Read with gaps, two different questions would become the same one.
        if percent_decode_str(query).decode_utf8().is_err() {
            return Err(Problem::bad_parameter("query", "The query's percent-encoded bytes are not UTF-8."));
        }
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some(name) = known.iter().find(|known| **known == name) else {
                let known = known.join(", ");
                let detail = if known.is_empty() {
                    "This route knows no query parameters.".to_owned()
                } else {
                    format!("An unknown query parameter; known are {known}.")
                };
                return Err(Problem::bad_parameter("query", detail));
            };
            if !SETS.contains(name) && found.iter().any(|(other, _)| other == name) {
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

    /// Any of these values; empty when the parameter is absent. Given once it is a comma list,
    /// without blanks; because what is looked for may have commas itself, the whole of it is looked
    /// for, too. Given several times, each is one value, whatever is in it.
    ///
    /// # Errors
    /// 400 for an empty value or more than 100.
    pub fn set(&self, name: &'static str) -> Result<Vec<String>, Problem> {
        let given: Vec<&str> =
            self.0.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.trim()).collect();
        let items: Vec<&str> = match given[..] {
            [list] if list.contains(',') => list.split(',').map(str::trim).chain([list]).collect(),
            _ => given,
        };
        if items.len() > 101 || items.iter().any(|item| item.is_empty() || item.contains('\0')) {
            let how = "Write 1 to 100 values, with commas between them or each as a parameter of its own.";
            return Err(Problem::bad_parameter(name, how));
        }
        Ok(items.into_iter().map(str::to_owned).collect())
    }

    /// Like [`Params::set`] for names and ids, which have no commas: each is one value.
    ///
    /// # Errors
    /// As [`Params::set`].
    pub fn words(&self, name: &'static str) -> Result<Vec<String>, Problem> {
        let mut words = self.set(name)?;
        words.retain(|word| !word.contains(','));
        Ok(words)
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
    fn bytes_that_are_no_text_are_refused_and_not_read_with_gaps() {
        let parse = |query| Params::parse(Some(query), &["tag"]).map(|_| ());
        assert!(parse("tag=%C3%A4%EF%BF%BD").is_ok());
        for bad in ["tag=%ff", "tag=a%C3", "%fe=a", "tag=%C3&tag=%A4", "%ED%A0%80"] {
            let problem = parse(bad).unwrap_err();
            assert_eq!(
                (problem.status().as_u16(), problem.errors()[0].pointer.as_ref()),
                (400, "query"),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_set_is_a_comma_list_or_a_parameter_that_is_repeated() {
        let set = |query: &str| Params::parse(Some(query), &["kind"]).and_then(|params| params.set("kind"));
        assert_eq!(set("").unwrap(), Vec::<String>::new());
        assert_eq!(set("kind=a").unwrap(), ["a"]);
        assert_eq!(set("kind=Lesen,%20Tee").unwrap(), ["Lesen", "Tee", "Lesen, Tee"]);
        assert_eq!(set("kind=Lesen,%20Tee&kind=b").unwrap(), ["Lesen, Tee", "b"]);
        for bad in ["kind=", "kind=a,", "kind=a&kind=", "kind=%00"] {
            assert_eq!(set(bad).unwrap_err().status(), 400, "{bad}");
        }
        let many = |count: usize| vec!["k"; count].join(",");
        assert!(set(&format!("kind={}", many(100))).is_ok());
        assert!(set(&format!("kind={}", many(101))).is_err());
    }

    #[test]
    fn sets_and_numbers_are_checked() {
        let params = Params::parse(Some("tag=a,%20b&limit=1000&kind="), &["tag", "limit", "kind"]).unwrap();
        assert_eq!(params.set("tag").unwrap(), ["a", "b", "a, b"]);
        assert!(params.set("kind").is_err());
        assert_eq!(params.number("limit", 1..=1000).unwrap(), Some(1000));
        assert!(params.number("limit", 1..=100).is_err());
        assert!(params.number("tag", 1..=100).is_err());
    }
}
