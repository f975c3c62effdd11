use domain::weave::values::Change;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::weave::Point;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterAccount {
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    /// Unique among living accounts, whatever its case.
    #[schema(max_length = 254)]
    pub email: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribeAccount {
    #[schema(min_length = 1, max_length = 200)]
    pub title: Option<String>,
    /// `null` empties it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub summary: Change<String>,
    /// The whole new list; each 1 to 64 characters.
    #[schema(max_items = 64)]
    pub tags: Option<Vec<String>>,
    /// `null` empties it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub address: Change<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceAccount {
    /// `not_on_map`, `exact` or `radius`.
    pub map_state: String,
    /// Absent: the anchor stays. Only the account itself ever sees it.
    pub location: Option<Point>,
    /// In metres. Absent: it stays, at first 250.
    #[schema(minimum = 50, maximum = 5000)]
    pub radius_m: Option<i64>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeEmail {
    #[schema(max_length = 254)]
    pub email: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisableAccount {}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactivateAccount {}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteAccount {
    /// The accepted proposal behind it.
    pub proposal_id: Option<Uuid>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaveAccount {}
