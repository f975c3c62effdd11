use std::{path::PathBuf, str::FromStr};

use clap::Args;

use super::SecretText;

/// Search engines beside the one in Postgres, which is always there.
#[derive(Debug, Clone, Args)]
pub struct SearchSettings {
    /// Typesense, asked first; a private server where `typesense-server` is installed, none otherwise.
    #[arg(long, env = "TYPESENSE_URL", value_name = "URL")]
    pub typesense_url: Option<String>,
    /// Key of Typesense that may do everything with collections, aliases and documents.
    #[arg(long, env = "TYPESENSE_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub typesense_api_key: Option<SecretText>,
    /// File with that key.
    #[arg(long, env = "TYPESENSE_API_KEY_FILE", value_name = "FILE", conflicts_with = "typesense_api_key")]
    pub typesense_api_key_file: Option<PathBuf>,
    /// Meilisearch, asked second; a private server where `meilisearch` is installed, none otherwise.
    #[arg(long, env = "MEILI_URL", value_name = "URL")]
    pub meili_url: Option<String>,
    /// Key of Meilisearch that may do everything with indexes, documents and tasks.
    #[arg(long, env = "MEILI_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub meili_api_key: Option<SecretText>,
    /// File with that key.
    #[arg(long, env = "MEILI_API_KEY_FILE", value_name = "FILE", conflicts_with = "meili_api_key")]
    pub meili_api_key_file: Option<PathBuf>,
    /// Engines that may answer, a comma list of typesense, meilisearch, postgres. Postgres always may.
    #[arg(
        long,
        env = "SEARCH_ENGINES",
        default_value = "typesense,meilisearch,postgres",
        value_name = "LIST"
    )]
    pub search_engines: SearchEngines,
    /// What the names of collections and indexes begin with, where installations share a server.
    #[arg(long, env = "SEARCH_NAMESPACE", default_value = "weltgewebe", value_name = "NAME", value_parser = namespace)]
    pub search_namespace: String,
}

/// Which engines may answer. Their order is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchEngines {
    pub typesense: bool,
    pub meilisearch: bool,
}

impl FromStr for SearchEngines {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut engines = Self { typesense: false, meilisearch: false };
        for word in text.split(',').map(str::trim) {
            match word {
                "typesense" => engines.typesense = true,
                "meilisearch" => engines.meilisearch = true,
                "postgres" => {}
                _ => return Err(format!("`{word}` is none of typesense, meilisearch, postgres")),
            }
        }
        Ok(engines)
    }
}

fn namespace(text: &str) -> Result<String, String> {
    let fine = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if (1..=40).contains(&text.len()) && text.chars().all(fine) {
        Ok(text.to_owned())
    } else {
        Err("write 1 to 40 lower case letters, digits and underscores".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_a_comma_list() {
        let both = SearchEngines { typesense: true, meilisearch: true };
        assert_eq!("typesense, meilisearch,postgres".parse(), Ok(both));
        assert_eq!("postgres".parse(), Ok(SearchEngines { typesense: false, meilisearch: false }));
        assert!("elastic".parse::<SearchEngines>().is_err());
    }

    #[test]
    fn a_namespace_is_a_part_of_a_name() {
        assert!(namespace("weltgewebe_2").is_ok());
        for bad in ["", "Welt", "a-b", "a/b", &"a".repeat(41)] {
            assert!(namespace(bad).is_err(), "{bad}");
        }
    }
}
