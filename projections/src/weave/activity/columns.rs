use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::{ActivityFields, ActivityKey, ActivityType, NodeTitle};

pub(super) struct ActivityColumns {
    pub account_id: Option<Uuid>,
    pub activity_type: String,
    pub conversation_id: Uuid,
    pub day: NaiveDate,
    pub count: i64,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
    pub position: i64,
}

impl ActivityColumns {
    /// # Errors
    /// A decode error for a word that no fold of this code writes.
    pub fn into_fields(self) -> Result<ActivityFields, sqlx::Error> {
        let activity_type = ActivityType::parse(&self.activity_type)
            .ok_or_else(|| sqlx::Error::Decode("an unknown type of activity".into()))?;
        Ok(ActivityFields {
            account_id: self.account_id,
            activity_type,
            conversation_id: self.conversation_id,
            day: self.day,
            count: self.count,
            first_at: self.first_at,
            last_at: self.last_at,
            position: self.position,
        })
    }
}

impl ActivityFields {
    pub(super) const fn key(&self) -> ActivityKey {
        ActivityKey::Entry {
            account: self.account_id,
            activity_type: self.activity_type,
            conversation: self.conversation_id,
            day: self.day,
        }
    }
}

/// Rows turned into columns for `unnest`.
#[derive(Default)]
pub(super) struct ActivityArrays {
    pub ids: Vec<Uuid>,
    pub accounts: Vec<Option<Uuid>>,
    pub types: Vec<&'static str>,
    pub conversations: Vec<Uuid>,
    pub days: Vec<NaiveDate>,
    pub counts: Vec<i64>,
    pub firsts: Vec<DateTime<Utc>>,
    pub lasts: Vec<DateTime<Utc>>,
    pub positions: Vec<i64>,
}

impl ActivityArrays {
    pub fn of<'a>(rows: impl Iterator<Item = &'a ActivityFields>) -> Self {
        let mut arrays = Self::default();
        for row in rows {
            arrays.ids.push(row.key().id());
            arrays.accounts.push(row.account_id);
            arrays.types.push(row.activity_type.as_str());
            arrays.conversations.push(row.conversation_id);
            arrays.days.push(row.day);
            arrays.counts.push(row.count);
            arrays.firsts.push(row.first_at);
            arrays.lasts.push(row.last_at);
            arrays.positions.push(row.position);
        }
        arrays
    }
}

/// Rows turned into columns for `unnest`, titles borrowed.
#[derive(Default)]
pub(super) struct TitleArrays<'a> {
    pub conversations: Vec<Uuid>,
    pub nodes: Vec<Uuid>,
    pub titles: Vec<Option<&'a str>>,
}

impl<'a> TitleArrays<'a> {
    pub fn of(rows: impl Iterator<Item = &'a NodeTitle>) -> Self {
        let mut arrays = Self::default();
        for row in rows {
            arrays.conversations.push(row.conversation_id);
            arrays.nodes.push(row.node_id);
            arrays.titles.push(row.title.as_deref());
        }
        arrays
    }
}
