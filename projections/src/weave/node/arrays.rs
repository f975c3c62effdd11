use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::NodeFields;
use crate::{array_literal::array_literal, geo::cell_of};

/// Rows turned into columns for `unnest`, texts borrowed.
#[derive(Default)]
pub(crate) struct NodeArrays<'a> {
    pub ids: Vec<Uuid>,
    /// Only the map stores it.
    pub cells: Vec<Option<i64>>,
    pub kinds: Vec<Option<&'a str>>,
    pub titles: Vec<Option<&'a str>>,
    pub summaries: Vec<Option<&'a str>>,
    pub infos: Vec<Option<&'a str>>,
    /// As array literals.
    pub tags: Vec<Option<String>>,
    pub addresses: Vec<Option<&'a str>>,
    pub lats: Vec<Option<f64>>,
    pub lons: Vec<Option<f64>>,
    pub visibilities: Vec<&'static str>,
    pub creators: Vec<Option<Uuid>>,
    pub conversations: Vec<Uuid>,
    pub created: Vec<DateTime<Utc>>,
    pub updated: Vec<DateTime<Utc>>,
    pub versions: Vec<i64>,
    /// As array literals.
    pub redacted: Vec<String>,
    pub removed: Vec<Option<DateTime<Utc>>>,
}

impl<'a> NodeArrays<'a> {
    pub fn of(rows: impl Iterator<Item = &'a NodeFields>) -> Self {
        let mut arrays = Self::default();
        for row in rows {
            arrays.push(row);
        }
        arrays
    }

    fn push(&mut self, row: &'a NodeFields) {
        self.ids.push(row.id);
        self.cells.push(row.location.and_then(|point| cell_of(point.lat, point.lon)));
        self.kinds.push(row.kind.as_deref());
        self.titles.push(row.title.as_deref());
        self.summaries.push(row.summary.as_deref());
        self.infos.push(row.info.as_deref());
        self.tags.push(row.tags.as_deref().map(array_literal));
        self.addresses.push(row.address.as_deref());
        self.lats.push(row.location.map(|point| point.lat));
        self.lons.push(row.location.map(|point| point.lon));
        self.visibilities.push(row.search_visibility.as_str());
        self.creators.push(row.created_by);
        self.conversations.push(row.conversation_id);
        self.created.push(row.created_at);
        self.updated.push(row.updated_at);
        self.versions.push(row.version);
        self.redacted.push(array_literal(&row.redacted));
        self.removed.push(row.removed_at);
    }
}
