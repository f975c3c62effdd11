use std::collections::HashMap;

use eventstore::seal::{OpenError, Opened, SealedField, Sealer};
use kernel::Class;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::{AccountMap, SOURCE, follower::position_field};
use crate::{
    MapCursor, Page, ReadError, Sealed,
    geo::{BBox, cover},
    weave::LatLon,
};

/// Most items of one page.
const MAX_LIMIT: u16 = 1_000;
/// Candidates looked at together: a small page must not ask for each one alone.
const CHUNK: usize = 50;

/// An account as the map shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccountOnMap {
    pub id: Uuid,
    /// `null` when it was erased.
    pub title: Option<String>,
    /// `guest` or `weaver`.
    pub role: String,
    /// `exact` or `radius`.
    pub map_state: String,
    /// For `radius` the random point, never the exact one.
    pub public_position: LatLon,
    pub radius_m: i32,
    /// JSON pointers of values that were erased.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<&'static str>,
}

/// Active accounts on the map within the box, in the order (cell, id), after `cursor`.
///
/// # Errors
/// [`ReadError`] when a database cannot be asked, the map is not ready, or a field cannot be
/// opened for another reason than that it was erased.
pub async fn accounts_in_bbox(
    pool: &PgPool,
    sealer: &Sealer,
    map: &AccountMap,
    bbox: BBox,
    limit: u16,
    cursor: Option<MapCursor>,
) -> Result<Page<AccountOnMap>, ReadError> {
    let limit = usize::from(limit.clamp(1, MAX_LIMIT));
    let ranges = cover(&bbox);
    let mut items: Vec<(MapCursor, AccountOnMap)> = Vec::new();
    let mut after = cursor;
    let mut at = None;
    // One more than the page, to know whether there are more. Candidates outside of the box or
    // off the map make more rounds; each goes on behind the last.
    while items.len() <= limit {
        let wanted = (limit + 1 - items.len()).max(CHUNK);
        let (standing, candidates) =
            map.candidates(&ranges, after, wanted).ok_or(ReadError::NotBuilt("account_map"))?;
        at.get_or_insert((standing.position, standing.epoch));
        let Some(last) = candidates.last() else { break };
        after = Some(*last);
        let found = shown(pool, sealer, map, &candidates).await?;
        items.extend(found.into_iter().filter(|(_, item)| {
            let LatLon { lat, lon } = item.public_position;
            bbox.contains(lat, lon)
        }));
        if candidates.len() < wanted {
            break;
        }
    }
    let at = at.ok_or(ReadError::NotBuilt(SOURCE))?;
    let page = Page::cut(items, limit, at, |(cursor, _)| cursor.to_string());
    Ok(page.map(|(_, item)| item))
}

/// Rows of the candidates, opened, in their order.
async fn shown(
    pool: &PgPool,
    sealer: &Sealer,
    map: &AccountMap,
    candidates: &[MapCursor],
) -> Result<Vec<(MapCursor, AccountOnMap)>, ReadError> {
    let ids: Vec<Uuid> = candidates.iter().map(|candidate| candidate.id).collect();
    let rows = sqlx::query_file!("src/weave/account_map/sql/accounts.sql", &ids).fetch_all(pool).await?;
    let mut fields = Vec::with_capacity(rows.len() * 2);
    for row in &rows {
        fields.extend(position_field(&row.public_position.0));
        fields.extend(row.title.as_ref().and_then(|Json(title)| title_field(title)));
    }
    let opened: Vec<Result<Opened<Value>, OpenError>> = sealer.open_fields(&fields).await?;
    let mut opened = opened.into_iter();
    let mut next = |sealed: bool| if sealed { opened.next().transpose() } else { Ok(None) };
    let (mut found, mut erased) = (HashMap::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let place = live(next(row.public_position.0.envelope().is_some())?)?;
        let title = row.title.map(|Json(title)| title);
        let opened = next(title.as_ref().is_some_and(|title| title.envelope().is_some()))?;
        let title_is_gone = matches!((&title, &opened), (Some(_), None | Some(Opened::Erased)));
        let title = live(opened)?;
        let Some(public_position) = place else {
            erased.push(row.id);
            continue;
        };
        let item = AccountOnMap {
            id: row.id,
            title,
            role: row.role,
            map_state: row.map_state,
            public_position,
            radius_m: row.radius_m,
            erased: if title_is_gone { vec!["/title"] } else { vec![] },
        };
        found.insert(row.id, item);
    }
    map.forget(&erased);
    Ok(candidates.iter().filter_map(|at| Some((*at, found.remove(&at.id)?))).collect())
}

fn title_field(sealed: &Sealed) -> Option<SealedField<'_>> {
    let envelope = sealed.envelope()?;
    Some(SealedField { envelope, class: Class::Identity, field_suffix: "/title" })
}

/// `None` when it is empty, redacted or erased.
fn live<T: DeserializeOwned>(opened: Option<Opened<Value>>) -> Result<Option<T>, ReadError> {
    let Some(Opened::Live(value)) = opened else { return Ok(None) };
    serde_json::from_value(value).map(Some).map_err(|_| ReadError::Row(SOURCE))
}
