use std::{path::Path, sync::Arc};

use embedded::{Endpoints, SearchEndpoint};
use projections::search::outside::{MeiliSearch, Outside, TypesenseSearch};

use crate::{
    Failure,
    cli::{Common, SecretUrl},
};

/// The search engines beside Postgres that are known: by URL, or run privately by `api`.
pub fn engines(common: &Common, private: Option<&Endpoints>) -> Result<Vec<Arc<dyn Outside>>, Failure> {
    let namespace = &common.search_namespace;
    let mut engines: Vec<Arc<dyn Outside>> = Vec::new();
    let known = place(common.typesense_url.as_deref(), private.map(|private| &private.typesense));
    if let Some((url, private)) = known {
        let given = (common.typesense_api_key.as_ref(), common.typesense_api_key_file.as_deref());
        let key = key("TYPESENSE_API_KEY_FILE", given, private)?;
        let engine = TypesenseSearch::new(url, &key, namespace);
        engines.push(Arc::new(engine.map_err(Failure::could_not_run)?));
    }
    let known = place(common.meili_url.as_deref(), private.map(|private| &private.meilisearch));
    if let Some((url, private)) = known {
        let given = (common.meili_api_key.as_ref(), common.meili_api_key_file.as_deref());
        let key = key("MEILI_API_KEY_FILE", given, private)?;
        let engine = MeiliSearch::new(url, &key, namespace);
        engines.push(Arc::new(engine.map_err(Failure::could_not_run)?));
    }
    Ok(engines)
}

/// URL, and the key of a private server.
fn place<'a>(url: Option<&'a str>, private: Option<&'a SearchEndpoint>) -> Option<(&'a str, &'a str)> {
    match (url, private) {
        (Some(url), _) => Some((url, "")),
        (None, Some(private)) if !private.url.is_empty() => Some((&private.url, &private.key)),
        _ => None,
    }
}

fn key(name: &str, given: (Option<&SecretUrl>, Option<&Path>), private: &str) -> Result<String, Failure> {
    match given {
        (Some(key), _) => Ok(key.expose().to_owned()),
        (None, Some(file)) => match std::fs::read_to_string(file) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(Failure::could_not_run(format!("{name} cannot be read: {}", error.kind()))),
        },
        (None, None) => Ok(private.to_owned()),
    }
}
