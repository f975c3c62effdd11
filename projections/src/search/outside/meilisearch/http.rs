use async_trait::async_trait;
use futures::io::{AsyncRead, AsyncReadExt};
use meilisearch_sdk::{
    errors::Error,
    request::{HttpClient, Method, parse_response},
};
use reqwest::{Client, RequestBuilder, header::CONTENT_TYPE};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::answer::of_status;
use crate::search::outside::EngineError;

/// What the SDK sends its requests with. Its own client waits for ever, and tells of an answer
/// only whether it is the one it expected.
#[derive(Clone)]
pub(super) struct Http {
    client: Client,
    key: String,
}

impl Http {
    pub const fn new(client: Client, key: String) -> Self {
        Self { client, key }
    }

    /// Where the SDK does not know an answer: it cannot read a cancelled task.
    pub async fn get(&self, url: &str) -> Result<Value, EngineError> {
        let (status, body) = self.send(self.client.get(url)).await?;
        if status != 200 {
            return Err(of_status(status, &body));
        }
        serde_json::from_str(&body).map_err(|_| EngineError::Answer("no JSON"))
    }

    async fn send(&self, request: RequestBuilder) -> Result<(u16, String), EngineError> {
        let request = if self.key.is_empty() { request } else { request.bearer_auth(&self.key) };
        let answer = request.send().await.map_err(|error| EngineError::of_transport(&error))?;
        let status = answer.status().as_u16();
        let body = answer.text().await.map_err(|error| EngineError::of_transport(&error))?;
        Ok((status, body))
    }
}

/// A parameter as Meilisearch reads it: what there may be several of is a comma list.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(written).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn other(error: EngineError) -> Error {
    Error::Other(Box::new(error))
}

#[async_trait]
impl HttpClient for Http {
    async fn stream_request<
        Query: Serialize + Send + Sync,
        Body: AsyncRead + Send + Sync + 'static,
        Output: DeserializeOwned + 'static,
    >(
        &self,
        url: &str,
        method: Method<Query, Body>,
        content_type: &str,
        expected: u16,
    ) -> Result<Output, Error> {
        // Numbers and words without a letter that has to be escaped: our own.
        let query = serde_json::to_value(method.query()).unwrap_or_default();
        let query: Vec<(String, String)> = query
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), written(value)))
            .collect();
        let request = match &method {
            Method::Get { .. } => self.client.get(url),
            Method::Post { .. } => self.client.post(url),
            Method::Put { .. } => self.client.put(url),
            Method::Patch { .. } => self.client.patch(url),
            Method::Delete { .. } => self.client.delete(url),
        };
        let mut request = request.query(&query);
        if let Some(body) = method.into_body() {
            let mut bytes = Vec::new();
            let read = std::pin::pin!(body).read_to_end(&mut bytes).await;
            read.map_err(|_| other(EngineError::Away("the request could not be read")))?;
            request = request.header(CONTENT_TYPE, content_type).body(bytes);
        }
        let (status, body) = self.send(request).await.map_err(other)?;
        if status != expected {
            return Err(other(of_status(status, &body)));
        }
        let body = if body.is_empty() { "null" } else { &body };
        parse_response(status, expected, body, String::new())
    }

    fn is_tokio(&self) -> bool {
        true
    }
}
