use chrono::{DateTime, Utc};
use domain::{
    CommunityRole,
    weave::{account::AccountStatus, values::MapState},
};
use sqlx::types::Json;
use uuid::Uuid;

use super::AccountRow;
use crate::Sealed;

/// An account's columns as a statement returns them.
pub(super) struct AccountColumns {
    pub id: Uuid,
    pub role: String,
    pub status: String,
    pub map_state: String,
    pub radius_m: i32,
    pub title: Option<Json<Sealed>>,
    pub summary: Option<Json<Sealed>>,
    pub tags: Option<Json<Sealed>>,
    pub address: Option<Json<Sealed>>,
    pub public_position: Option<Json<Sealed>>,
    pub joined_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: i64,
}

impl AccountColumns {
    /// # Errors
    /// A decode error for a word that no fold of this code writes.
    pub fn into_row(self) -> Result<AccountRow, sqlx::Error> {
        let unknown = || sqlx::Error::Decode("an unknown word in account_page".into());
        Ok(AccountRow {
            id: self.id,
            role: [CommunityRole::Guest, CommunityRole::Weaver]
                .into_iter()
                .find(|role| role_word(*role) == self.role)
                .ok_or_else(unknown)?,
            status: [AccountStatus::Active, AccountStatus::Disabled, AccountStatus::Left]
                .into_iter()
                .find(|status| status_word(*status) == self.status)
                .ok_or_else(unknown)?,
            map_state: MapState::parse(&self.map_state).map_err(|_| unknown())?,
            radius_m: self.radius_m,
            title: self.title.map(|Json(sealed)| sealed),
            summary: self.summary.map(|Json(sealed)| sealed),
            tags: self.tags.map(|Json(sealed)| sealed),
            address: self.address.map(|Json(sealed)| sealed),
            public_position: self.public_position.map(|Json(sealed)| sealed),
            joined_at: self.joined_at,
            updated_at: self.updated_at,
            version: self.version,
        })
    }
}

pub(super) const fn role_word(role: CommunityRole) -> &'static str {
    match role {
        CommunityRole::Guest => "guest",
        CommunityRole::Weaver => "weaver",
    }
}

pub(super) const fn status_word(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Active => "active",
        AccountStatus::Disabled => "disabled",
        AccountStatus::Left => "left",
    }
}

/// Rows turned into columns for `unnest`.
#[derive(Default)]
pub(super) struct AccountArrays<'a> {
    pub ids: Vec<Uuid>,
    pub roles: Vec<&'static str>,
    pub statuses: Vec<&'static str>,
    pub map_states: Vec<&'static str>,
    pub radii: Vec<i32>,
    pub titles: Vec<Option<Json<&'a Sealed>>>,
    pub summaries: Vec<Option<Json<&'a Sealed>>>,
    pub tags: Vec<Option<Json<&'a Sealed>>>,
    pub addresses: Vec<Option<Json<&'a Sealed>>>,
    pub public_positions: Vec<Option<Json<&'a Sealed>>>,
    pub joined: Vec<DateTime<Utc>>,
    pub updated: Vec<DateTime<Utc>>,
    pub versions: Vec<i64>,
}

impl<'a> AccountArrays<'a> {
    pub fn of(rows: impl Iterator<Item = &'a AccountRow>) -> Self {
        let mut arrays = Self::default();
        for row in rows {
            arrays.ids.push(row.id);
            arrays.roles.push(role_word(row.role));
            arrays.statuses.push(status_word(row.status));
            arrays.map_states.push(row.map_state.as_str());
            arrays.radii.push(row.radius_m);
            arrays.titles.push(row.title.as_ref().map(Json));
            arrays.summaries.push(row.summary.as_ref().map(Json));
            arrays.tags.push(row.tags.as_ref().map(Json));
            arrays.addresses.push(row.address.as_ref().map(Json));
            arrays.public_positions.push(row.public_position.as_ref().map(Json));
            arrays.joined.push(row.joined_at);
            arrays.updated.push(row.updated_at);
            arrays.versions.push(row.version);
        }
        arrays
    }
}
