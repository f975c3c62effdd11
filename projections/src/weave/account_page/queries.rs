use chrono::{DateTime, Utc};
use eventstore::seal::{OpenError, Opened, SealedField, Sealer};
use kernel::Class;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::{
    AccountDetail, AccountRecord, AccountRow, Viewer,
    answer::NodeLine,
    columns::{AccountColumns, role_word, status_word},
};
use crate::{
    ReadError, Sealed,
    weave::{activity::ActivityLine, conversation::Author, thread::live_since},
};

/// Most nodes of an answer.
pub const NODES_LIMIT: i64 = 20;

/// Most entries of an answer's activity.
pub const ACTIVITY_LIMIT: i64 = 20;

/// One account as the read models have it at `now`, sealed; `None` when there is no such account.
///
/// # Errors
/// [`ReadError`] when the database cannot be asked or a read model was never built.
pub async fn account_record(
    pool: &PgPool,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<AccountRecord>, ReadError> {
    let row = sqlx::query_file!(
        "src/weave/account_page/sql/account_detail.sql",
        id,
        live_since(now),
        NODES_LIMIT,
        ACTIVITY_LIMIT
    )
    .fetch_optional(pool)
    .await?
    .ok_or(ReadError::NotBuilt("account_page"))?;
    let (position, epoch) = (row.position, row.epoch);
    let (Json(nodes), Json(activity)) = (row.nodes, row.activity);
    let columns = || {
        Some(AccountColumns {
            id: row.id?,
            role: row.role?,
            status: row.status?,
            map_state: row.map_state?,
            radius_m: row.radius_m?,
            title: row.title,
            summary: row.summary,
            tags: row.tags,
            address: row.address,
            public_position: row.public_position,
            joined_at: row.joined_at?,
            updated_at: row.updated_at?,
            version: row.version?,
        })
    };
    let Some(columns) = columns() else { return Ok(None) };
    let row = columns.into_row().map_err(|_| ReadError::Row("account_page"))?;
    Ok(Some(AccountRecord { row, nodes, activity, position, epoch }))
}

/// One account as `viewer` may see it at `now`; `None` when there is no such account. One that left is
/// there, without personal fields.
///
/// # Errors
/// [`ReadError`] when a database cannot be asked, the read model was never built, or a field
/// cannot be opened for another reason than that it was erased.
pub async fn account_detail(
    pool: &PgPool,
    sealer: &Sealer,
    id: Uuid,
    viewer: Viewer,
    now: DateTime<Utc>,
) -> Result<Option<AccountDetail>, ReadError> {
    match account_record(pool, id, now).await? {
        Some(record) => Ok(Some(shown(sealer, record, viewer, now).await?)),
        None => Ok(None),
    }
}

/// The record opened as far as the viewer may see it: what is not shown is not decrypted.
pub(super) async fn shown(
    sealer: &Sealer,
    record: AccountRecord,
    viewer: Viewer,
    now: DateTime<Utc>,
) -> Result<AccountDetail, ReadError> {
    let AccountRecord { row, nodes, activity, position, epoch } = record;
    let contact = viewer.may_see_contact_of(row.id);
    let mut opening = Opening::of(sealer, &row, contact).await?;
    let title: Option<String> = opening.take("/title")?;
    let gone = opening.erased.contains(&"/title");
    let activity = activity.into_iter().map(|line| {
        let person = Author { id: row.id, title: title.clone() };
        line.shown(Some(person), if gone { vec!["/account/title"] } else { vec![] })
    });
    let activity = activity.collect::<Result<_, _>>()?;
    Ok(AccountDetail {
        id: row.id,
        role: role_word(row.role),
        status: status_word(row.status),
        title,
        summary: opening.take("/summary")?,
        tags: opening.take("/tags")?.unwrap_or_default(),
        address: if contact { Some(opening.take("/address")?) } else { None },
        map_state: row.map_state.as_str(),
        public_position: opening.take("/public_position")?,
        radius_m: row.radius_m,
        created_at: row.joined_at,
        updated_at: row.updated_at,
        version: row.version,
        nodes: nodes.into_iter().map(|node| node.at(now)).collect(),
        activity,
        erased: opening.erased,
        position,
        epoch,
    })
}

/// The fields of one answer, opened in one call to the key store.
struct Opening {
    live: Vec<(&'static str, Value)>,
    erased: Vec<&'static str>,
}

impl Opening {
    async fn of(sealer: &Sealer, row: &AccountRow, contact: bool) -> Result<Self, ReadError> {
        let address = row.address.as_ref().filter(|_| contact);
        let position = row.public_position.as_ref().filter(|_| row.map_state.is_on_map());
        let columns: [(&'static str, Class, Option<&Sealed>); 5] = [
            ("/title", Class::Identity, row.title.as_ref()),
            ("/summary", Class::Identity, row.summary.as_ref()),
            ("/tags", Class::Identity, row.tags.as_ref()),
            ("/address", Class::Contact, address),
            ("/public_position", Class::Location, position),
        ];
        let mut opening = Self { live: Vec::new(), erased: Vec::new() };
        let mut fields = Vec::new();
        for (pointer, class, sealed) in columns {
            match sealed {
                None => {}
                Some(Sealed::Redacted) => opening.erased.push(pointer),
                Some(Sealed::Envelope(envelope)) => {
                    fields.push(SealedField { envelope, class, field_suffix: pointer });
                }
            }
        }
        let answers: Vec<Result<Opened<Value>, OpenError>> = sealer.open_fields(&fields).await?;
        for (field, answer) in fields.iter().zip(answers) {
            // The suffixes are the pointers of `columns`.
            let Some((pointer, ..)) = columns.iter().find(|column| column.0 == field.field_suffix) else {
                continue;
            };
            match answer? {
                Opened::Live(value) => opening.live.push((pointer, value)),
                Opened::Erased => opening.erased.push(pointer),
            }
        }
        opening.erased.sort_unstable();
        Ok(opening)
    }

    /// `None` when the field is empty, not for this viewer, or erased.
    fn take<T: DeserializeOwned>(&mut self, pointer: &str) -> Result<Option<T>, ReadError> {
        let Some(index) = self.live.iter().position(|(other, _)| *other == pointer) else {
            return Ok(None);
        };
        let (_, value) = self.live.swap_remove(index);
        serde_json::from_value(value).map(Some).map_err(|_| ReadError::Row("account_page"))
    }
}
