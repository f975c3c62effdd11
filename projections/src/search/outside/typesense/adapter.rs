use std::{fmt, time::Duration};

use kernel::Position;
use reqwest::Client;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use typesense_codegen::{
    apis::{
        collections_api as collections,
        configuration::{ApiKey, Configuration},
        debug_api, documents_api as documents, operations_api,
    },
    models::{CollectionAliasSchema, IndexAction, MultiSearchSearchesParameter},
};
use uuid::Uuid;

use super::{
    ENGINE,
    answer::{of_error, of_status, verdicts},
    query::{self, Answers},
    schema::schema,
};
use crate::{
    search::{
        Hit, Line, SearchQuery,
        outside::{
            EngineError, Mark, Outside, OutsideFuture,
            batch::{Batch, Verdicts},
            document::{Document, MARK, MarkDocument},
            http,
        },
    },
    weave::LatLon,
};

/// Ids of one deletion: they travel in the URL.
const DELETED: usize = 50;

/// The client of one Typesense. Generations are the collections `<namespace>_nodes_g<n>`, the alias
/// `<namespace>_nodes` is what readers ask.
#[derive(Clone)]
pub struct TypesenseSearch {
    namespace: String,
    alias: String,
    /// For bulks and changes of the schema.
    patient: Configuration,
    /// For readers. Not the generated client: it wants every one of its seventy parameters named.
    quick: Client,
    key: String,
}

impl fmt::Debug for TypesenseSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypesenseSearch").field("alias", &self.alias).finish_non_exhaustive()
    }
}

impl TypesenseSearch {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// [`EngineError::Away`] when the URL cannot be used.
    pub fn new(url: &str, key: &str, namespace: &str) -> Result<Self, EngineError> {
        let client = http::client(http::PATIENT)?;
        let patient = Configuration {
            base_path: url.trim_end_matches('/').to_owned(),
            user_agent: None,
            client: reqwest_middleware::ClientBuilder::new(client).build(),
            basic_auth: None,
            oauth_access_token: None,
            bearer_access_token: None,
            api_key: Some(ApiKey { prefix: None, key: key.to_owned() }),
        };
        Ok(Self {
            namespace: namespace.to_owned(),
            alias: format!("{namespace}_nodes"),
            patient,
            quick: http::client(http::QUICK)?,
            key: key.to_owned(),
        })
    }

    fn collection(&self, generation: i32) -> String {
        format!("{}_g{generation}", self.alias)
    }

    async fn multi_search(
        &self,
        searches: &MultiSearchSearchesParameter<'_>,
    ) -> Result<Answers, EngineError> {
        let request = self.quick.post(format!("{}/multi_search", self.patient.base_path)).json(searches);
        self.read(request).await
    }

    async fn read<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, EngineError> {
        let answer = request.header("X-TYPESENSE-API-KEY", &self.key).send().await;
        let answer = answer.map_err(|error| EngineError::of_transport(&error))?;
        let status = answer.status();
        let body = answer.text().await.map_err(|error| EngineError::of_transport(&error))?;
        if !status.is_success() {
            return Err(of_status(status.as_u16(), &body));
        }
        serde_json::from_str(&body).map_err(|_| EngineError::Answer("no JSON of the expected form"))
    }

    /// The collection the alias leads to, whether it is there or not.
    async fn shown(&self) -> Result<Option<String>, EngineError> {
        let alias = collections::GetAliasParams { alias_name: (&*self.alias).into() };
        match collections::get_alias(&self.patient, &alias).await {
            Ok(alias) => Ok(Some(alias.collection_name)),
            Err(error) => match of_error(&error) {
                EngineError::Missing => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn mark_in(&self, collection: &str) -> Result<Option<Mark>, EngineError> {
        // Not the generated call: its client has the patience of a bulk.
        let url = format!("{}/collections/{collection}/documents/{MARK}", self.patient.base_path);
        match self.read::<MarkDocument>(self.quick.get(url)).await {
            Ok(mark) => Ok(mark.read()),
            Err(EngineError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn import(&self, collection: &str, body: String, lines: usize) -> Result<Verdicts, EngineError> {
        let import = documents::ImportDocumentsParams {
            collection_name: collection.into(),
            body: body.into(),
            batch_size: None,
            return_id: None,
            remote_embedding_batch_size: None,
            return_doc: None,
            action: Some(IndexAction::Upsert),
            dirty_values: None,
        };
        let answer = documents::import_documents(&self.patient, &import).await;
        verdicts(&answer.map_err(|error| of_error(&error))?, lines)
    }

    async fn delete(&self, collection: &str, ids: &[Uuid]) -> Result<(), EngineError> {
        for ids in ids.chunks(DELETED) {
            let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
            let deletion = documents::DeleteDocumentsParams {
                collection_name: collection.into(),
                filter_by: Some(format!("id:[{}]", ids.join(",")).into()),
                batch_size: None,
                ignore_not_found: None,
                truncate: None,
            };
            documents::delete_documents(&self.patient, &deletion).await.map_err(|error| of_error(&error))?;
        }
        Ok(())
    }

    async fn write_all(
        &self,
        generation: i32,
        lines: &[Line],
        mark: Option<Mark>,
    ) -> Result<Verdicts, EngineError> {
        let collection = self.collection(generation);
        let batch = Batch::of(lines);
        let (mut body, mut sent) = (String::new(), 0);
        for document in batch.documents() {
            push(&mut body, &Sent::of(document));
            sent += 1;
        }
        self.delete(&collection, &batch.gone()).await?;
        let verdicts = if sent == 0 { vec![] } else { self.import(&collection, body, sent).await? };
        if let Some(mark) = mark {
            let mut body = String::new();
            push(&mut body, &MarkDocument::from(mark));
            let verdicts = self.import(&collection, body, 1).await?;
            if verdicts.iter().any(Result::is_err) {
                return Err(EngineError::Refused("the mark".to_owned()));
            }
        }
        Ok(batch.verdicts(verdicts))
    }

    async fn drop_collection(&self, generation: i32) -> Result<(), EngineError> {
        // By its own name, never by the alias: that would resolve to what answers.
        let collection =
            collections::DeleteCollectionParams { collection_name: self.collection(generation).into() };
        match collections::delete_collection(&self.patient, &collection).await {
            Ok(_) => Ok(()),
            Err(error) => match of_error(&error) {
                EngineError::Missing => Ok(()),
                error => Err(error),
            },
        }
    }
}

/// A document with its place as Typesense writes one.
#[derive(Serialize)]
struct Sent<'a> {
    #[serde(flatten)]
    document: &'a Document,
    #[serde(skip_serializing_if = "Option::is_none")]
    point: Option<[f64; 2]>,
}

impl<'a> Sent<'a> {
    fn of(document: &'a Document) -> Self {
        Self { document, point: document.point.map(|LatLon { lat, lon }| [lat, lon]) }
    }
}

fn push(body: &mut String, document: &impl Serialize) {
    // Plain strings, numbers and lists: nothing in them fails to serialise. An empty line would
    // have no verdict, and the count would tell.
    body.push_str(&serde_json::to_string(document).unwrap_or_default());
    body.push('\n');
}

#[derive(Deserialize)]
struct Exported {
    id: String,
    #[serde(default)]
    _pos: Position,
}

impl Outside for TypesenseSearch {
    fn name(&self) -> &'static str {
        ENGINE
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn bound(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn bulk(&self) -> usize {
        1_000
    }

    fn version(&self) -> OutsideFuture<'_, String> {
        Box::pin(async {
            let debug = debug_api::debug(&self.patient).await.map_err(|error| of_error(&error))?;
            debug.version.ok_or(EngineError::Answer("no version"))
        })
    }

    fn live(&self) -> OutsideFuture<'_, Option<Mark>> {
        Box::pin(async { self.mark_in(&self.alias).await })
    }

    fn mark(&self, generation: i32) -> OutsideFuture<'_, Option<Mark>> {
        Box::pin(async move { self.mark_in(&self.collection(generation)).await })
    }

    fn prepare(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(async move {
            self.drop_collection(generation).await?;
            let collection = collections::CreateCollectionParams {
                collection_schema: schema(self.collection(generation)),
            };
            let created = collections::create_collection(&self.patient, &collection).await;
            created.map(drop).map_err(|error| of_error(&error))
        })
    }

    fn write<'a>(
        &'a self,
        generation: i32,
        lines: &'a [Line],
        mark: Option<Mark>,
    ) -> OutsideFuture<'a, Verdicts> {
        Box::pin(self.write_all(generation, lines, mark))
    }

    fn show(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(async move {
            let collection = self.collection(generation);
            // An alias may lead to a collection that is not there: then nobody would be answered.
            self.mark_in(&collection).await?.ok_or(EngineError::Missing)?;
            let alias = collections::UpsertAliasParams {
                alias_name: (&*self.alias).into(),
                collection_alias_schema: Some(CollectionAliasSchema::new(collection.into())),
            };
            let shown = collections::upsert_alias(&self.patient, &alias).await;
            shown.map(drop).map_err(|error| of_error(&error))
        })
    }

    fn drop_generation(&self, generation: i32) -> OutsideFuture<'_, ()> {
        Box::pin(async move {
            if self.shown().await?.as_deref() == Some(&self.collection(generation)) {
                return Err(EngineError::Refused("it answers queries".to_owned()));
            }
            self.drop_collection(generation).await
        })
    }

    fn contents(&self, generation: i32) -> OutsideFuture<'_, Vec<(Uuid, Position)>> {
        Box::pin(async move {
            let export = documents::ExportDocumentsParams {
                collection_name: self.collection(generation).into(),
                filter_by: None,
                include_fields: Some("id,_pos".into()),
                exclude_fields: None,
            };
            let text = documents::export_documents(&self.patient, &export).await;
            let text = text.map_err(|error| of_error(&error))?;
            let mut found = Vec::new();
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let line: Exported = serde_json::from_str(line)
                    .map_err(|_| EngineError::Answer("a document without id and position"))?;
                if line.id != MARK {
                    // Another id is nobody's of ours: nil is no node either.
                    found.push((line.id.parse().unwrap_or_default(), line._pos));
                }
            }
            Ok(found)
        })
    }

    fn size(&self) -> OutsideFuture<'_, u64> {
        Box::pin(async {
            let metrics = operations_api::retrieve_metrics(&self.patient).await;
            let metrics: Value = metrics.map_err(|error| of_error(&error))?;
            let bytes = metrics.get("typesense_memory_active_bytes").and_then(Value::as_str);
            bytes.and_then(|bytes| bytes.parse().ok()).ok_or(EngineError::Answer("no memory metric"))
        })
    }

    fn ask<'a>(
        &'a self,
        query: &'a SearchQuery,
        words: &'a [String],
        skip: u32,
    ) -> OutsideFuture<'a, (Mark, Vec<Hit>)> {
        Box::pin(async move {
            let search = query::search(&self.alias, query, words, skip);
            self.multi_search(&query::with_mark(&self.alias, search)).await?.hits()
        })
    }

    fn titles<'a>(&'a self, prefix: &'a str) -> OutsideFuture<'a, (Mark, Vec<String>)> {
        Box::pin(async move {
            let search = query::titles(&self.alias, prefix);
            self.multi_search(&query::with_mark(&self.alias, search)).await?.titles()
        })
    }
}
