use std::{path::Path, sync::Arc};

use embedded::{Endpoints, Part, SearchEndpoint};
use projections::search::{
    OutsideSearch,
    outside::{MeiliSearch, Outside, TypesenseSearch},
};
use sqlx::PgPool;

use super::BootError;
use crate::settings::{SearchSettings, SecretText};

/// The search engines that are there.
#[derive(Clone, Default)]
pub(super) struct EnginePlaces {
    typesense: Option<(String, SecretText)>,
    meilisearch: Option<(String, SecretText)>,
}

/// Whether we start this one: it may answer, has no URL, and its program is installed.
pub(super) fn is_private(part: Part, settings: &SearchSettings) -> bool {
    let (wanted, url) = match part {
        Part::Typesense => (settings.search_engines.typesense, &settings.typesense_url),
        _ => (settings.search_engines.meilisearch, &settings.meili_url),
    };
    let shelves = embedded::Settings::new("").search_path;
    wanted && url.is_none() && embedded::installed(part, &shelves).is_ok()
}

impl EnginePlaces {
    pub fn of(settings: &SearchSettings, private: Option<&Endpoints>) -> Result<Self, BootError> {
        let SearchSettings { typesense_url, typesense_api_key, typesense_api_key_file, .. } = settings;
        let key = key("TYPESENSE_API_KEY", typesense_api_key.as_ref(), typesense_api_key_file.as_deref())?;
        let typesense = place(typesense_url.as_ref(), key, private.map(|private| &private.typesense));
        let SearchSettings { meili_url, meili_api_key, meili_api_key_file, .. } = settings;
        let key = self::key("MEILI_API_KEY", meili_api_key.as_ref(), meili_api_key_file.as_deref())?;
        let meilisearch = place(meili_url.as_ref(), key, private.map(|private| &private.meilisearch));
        Ok(Self {
            typesense: typesense.filter(|_| settings.search_engines.typesense),
            meilisearch: meilisearch.filter(|_| settings.search_engines.meilisearch),
        })
    }

    /// In the order in which they are asked. Connects to nobody yet.
    pub fn open(&self, namespace: &str, reads: &PgPool) -> Result<Vec<OutsideSearch>, BootError> {
        let mut engines: Vec<Arc<dyn Outside>> = Vec::new();
        if let Some((url, key)) = &self.typesense {
            let engine = TypesenseSearch::new(url, key.expose(), namespace);
            engines.push(Arc::new(engine.map_err(|_| BootError::Url("TYPESENSE_URL", FORM))?));
        }
        if let Some((url, key)) = &self.meilisearch {
            let engine = MeiliSearch::new(url, key.expose(), namespace);
            engines.push(Arc::new(engine.map_err(|_| BootError::Url("MEILI_URL", FORM))?));
        }
        Ok(engines.into_iter().map(|engine| OutsideSearch::new(engine, reads.clone())).collect())
    }
}

const FORM: &str = "http://host:port";

fn place(
    url: Option<&String>,
    key: SecretText,
    private: Option<&SearchEndpoint>,
) -> Option<(String, SecretText)> {
    match (url, private) {
        (Some(url), _) => Some((url.clone(), key)),
        (None, Some(private)) if !private.url.is_empty() => {
            Some((private.url.clone(), private.key.clone().into()))
        }
        _ => None,
    }
}

/// Given, or out of a file; empty for a server without keys.
fn key(name: &'static str, given: Option<&SecretText>, file: Option<&Path>) -> Result<SecretText, BootError> {
    match (given, file) {
        (Some(key), _) => Ok(key.clone()),
        (None, Some(file)) => match std::fs::read_to_string(file) {
            Ok(text) => Ok(text.trim().to_owned().into()),
            Err(error) => Err(BootError::Other(format!("{name}_FILE cannot be read: {}", error.kind()))),
        },
        (None, None) => Ok(String::new().into()),
    }
}
