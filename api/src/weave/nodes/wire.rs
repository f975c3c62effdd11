use domain::weave::values::Change;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::weave::Point;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TieNode {
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    /// What sort of thing it is, free text.
    #[schema(min_length = 1, max_length = 100)]
    pub kind: String,
    #[schema(min_length = 1, max_length = 500)]
    pub address: String,
    pub location: Point,
    #[schema(max_length = 500)]
    pub summary: Option<String>,
    /// Markdown.
    #[schema(max_length = 20000)]
    pub info: Option<String>,
    /// Each 1 to 64 characters; themes as `thema:<slug>`, at most 4.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub tags: Vec<String>,
    /// `public` (when absent), `private`, `hidden`; `revoked` for admins.
    pub search_visibility: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviseNode {
    #[schema(min_length = 1, max_length = 200)]
    pub title: Option<String>,
    #[schema(min_length = 1, max_length = 100)]
    pub kind: Option<String>,
    #[schema(min_length = 1, max_length = 500)]
    pub address: Option<String>,
    pub location: Option<Point>,
    /// `null` empties it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub summary: Change<String>,
    /// Markdown; `null` empties it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 20000)]
    pub info: Change<String>,
    /// The whole new list.
    #[schema(max_items = 32)]
    pub tags: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetNodeVisibility {
    /// `public`, `private`, `hidden`; `revoked` for admins.
    pub search_visibility: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveNode {}
