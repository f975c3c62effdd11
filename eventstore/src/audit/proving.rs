use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use kernel::{AggregateRef, Name, Position, Version};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    AuditError, LeafRow, Leaves, leaf_rows,
    note::{Checkpoint, PublicKey, SignedNote},
    store::{Seal, last_seal, roots, seal_at},
    tree::{check_inclusion, consistency, inclusion, leaf_hash},
};
use crate::{
    StoreError,
    canonical::{AuditLeaf, Hash, audit_leaf, canonical_text, metadata_hash, payload_hash},
    epoch::epochs,
};

/// What of an event is in its leaf: enough to compute it again. Hashes in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenEvent {
    pub position: Position,
    pub epoch: i32,
    pub event_id: Uuid,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    pub version: Version,
    #[serde(rename = "type")]
    pub event_type: String,
    pub schema_version: i32,
    /// RFC 3339 with six decimals.
    pub recorded_at: String,
    pub payload_hash: String,
    pub metadata_hash: String,
}

/// That an event is in the log that a checkpoint was signed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    pub event: ProvenEvent,
    /// Of the tree; position − 1.
    pub leaf_index: u64,
    /// Leaves of the tree.
    pub size: u64,
    pub leaf_hash: String,
    /// From the leaf to the root, base64.
    pub path: Vec<String>,
    /// The signed note the path leads to.
    pub checkpoint: String,
}

/// A proof with the event's content: everything an auditor needs without any server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    pub format: String,
    pub proof: InclusionProof,
    /// As stored: personal fields sealed.
    pub payload: Box<RawValue>,
    pub metadata: Box<RawValue>,
    /// Hex; none once a field was redacted: then the payload is no longer what was hashed.
    pub salt: Option<String>,
    /// The keys of the log, the oldest first. To be compared with those one knows.
    pub keys: Vec<String>,
}

const FORMAT: &str = "weltgewebe-audit-bundle/1";

/// What a bundle shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub event: ProvenEvent,
    pub origin: String,
    pub size: u64,
    /// Hex.
    pub root: String,
    pub sealed_at: DateTime<Utc>,
    /// The trusted keys that signed.
    pub signed_by: Vec<String>,
    /// False when a field was redacted: payload and proof belong together no more.
    pub payload_is_as_hashed: bool,
}

/// Why a bundle shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum BadBundle {
    #[error("it has not the form of a bundle: {0}")]
    Form(String),
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] super::note::BadNote),
    #[error("the metadata is not what was hashed")]
    Metadata,
    #[error("the payload is not what was hashed")]
    Payload,
    #[error("the event's fields do not give the leaf's hash")]
    Leaf,
    #[error(transparent)]
    Proof(#[from] super::tree::BadProof),
}

pub(super) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = |at: usize| text.get(at..at + 2).filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
    let bytes = (0..N).map(|n| digits(n * 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    let bytes = bytes.collect::<Option<Vec<_>>>()?;
    if text.len() == N * 2 { bytes.try_into().ok() } else { None }
}

/// The checkpoint a proof is made for: the newest one, or the first that covers the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    Newest,
    First,
}

/// Proves that the event at a position is under a checkpoint.
///
/// # Errors
/// [`AuditError::NotSealed`]; [`AuditError::Damaged`] when the event or the stored tree was
/// changed, so that the proof would not hold.
pub async fn prove(
    pool: &PgPool,
    position: Position,
    against: Against,
) -> Result<InclusionProof, AuditError> {
    let mut connection = pool.acquire().await?;
    let seal = match against {
        Against::Newest => last_seal(&mut *connection).await?.filter(|seal| seal.size >= position),
        Against::First => seal_at(&mut *connection, position).await?,
    };
    let seal = seal.filter(|_| position >= 1).ok_or(AuditError::NotSealed(position))?;
    let rows = leaf_rows(&mut *connection, position - 1, position).await?;
    let gone = || AuditError::Damaged(format!("the event at position {position} is sealed and not there"));
    let row = rows.first().ok_or_else(gone)?;
    let mut leaves = Leaves::new(&epochs(pool).await?);
    prove_in(&mut connection, &seal, row, &mut leaves).await
}

pub(super) async fn prove_in(
    connection: &mut PgConnection,
    seal: &Seal,
    row: &LeafRow,
    leaves: &mut Leaves,
) -> Result<InclusionProof, AuditError> {
    let position = row.position;
    let damaged = |what: &str| AuditError::Damaged(format!("the event at position {position}: {what}"));
    let leaf = leaves.hash(row).map_err(damaged)?;
    let (index, size) = ((position - 1).cast_unsigned(), seal.size.cast_unsigned());
    let path = roots(connection, size, &inclusion(index, size)).await?;
    check_inclusion(index, size, &leaf, &path, &seal.root)
        .map_err(|_| damaged("it is not the one that was sealed there"))?;
    let canonical =
        canonical_text(&row.metadata).map_err(|_| damaged("its metadata has no canonical form"))?;
    Ok(InclusionProof {
        event: ProvenEvent {
            position,
            epoch: leaves.epoch_of(position),
            event_id: row.event_id,
            aggregate_type: row.aggregate_type.clone(),
            aggregate_id: row.aggregate_id,
            version: row.version,
            event_type: row.event_type.clone(),
            schema_version: row.schema_version,
            recorded_at: row.recorded_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            payload_hash: hex(&row.payload_hash),
            metadata_hash: hex(&metadata_hash(&canonical)),
        },
        leaf_index: index,
        size,
        leaf_hash: hex(&leaf),
        path: path.iter().map(|hash| STANDARD.encode(hash)).collect(),
        checkpoint: seal.note.clone(),
    })
}

/// Proves that the log of one size goes on where that of a smaller size ended, by the stored tree.
///
/// # Errors
/// [`AuditError::NotSealed`] for a size beyond the last checkpoint.
pub async fn prove_consistency(pool: &PgPool, old: u64, new: u64) -> Result<Vec<Hash>, AuditError> {
    let mut connection = pool.acquire().await?;
    let sealed = last_seal(&mut *connection).await?.map_or(0, |seal| seal.size.cast_unsigned());
    if new > sealed {
        return Err(AuditError::NotSealed(new.cast_signed()));
    }
    roots(&mut connection, new, &consistency(old, new)).await
}

/// The root of the stored tree at a size.
///
/// # Errors
/// [`AuditError::NotSealed`] for a size beyond the last checkpoint.
pub async fn root_at(pool: &PgPool, size: u64) -> Result<Hash, AuditError> {
    let mut connection = pool.acquire().await?;
    let sealed = last_seal(&mut *connection).await?.map_or(0, |seal| seal.size.cast_unsigned());
    if size > sealed {
        return Err(AuditError::NotSealed(size.cast_signed()));
    }
    let found = roots(&mut connection, size, std::slice::from_ref(&(0..size))).await?;
    found.first().copied().ok_or(AuditError::NotSealed(size.cast_signed()))
}

/// Everything about one event that an auditor can take away.
///
/// # Errors
/// As for [`prove`].
pub async fn bundle(pool: &PgPool, position: Position, keys: &[PublicKey]) -> Result<Bundle, AuditError> {
    let proof = prove(pool, position, Against::Newest).await?;
    let row = sqlx::query!(
        r#"select payload::text as "payload!", metadata::text as "metadata!", salt
           from events where position = $1"#,
        position
    )
    .fetch_one(pool)
    .await?;
    let raw = |text| RawValue::from_string(text).map_err(|_| StoreError::Internal("stored JSON".to_owned()));
    Ok(Bundle {
        format: FORMAT.to_owned(),
        proof,
        payload: raw(row.payload)?,
        metadata: raw(row.metadata)?,
        salt: row.salt.as_deref().map(hex),
        keys: keys.iter().map(ToString::to_string).collect(),
    })
}

impl InclusionProof {
    /// Checks it against keys one trusts, with nothing else at hand.
    ///
    /// # Errors
    /// [`BadBundle`]
    pub fn check(&self, trusted: &[PublicKey]) -> Result<Shown, BadBundle> {
        let form = |what: &str| BadBundle::Form(what.to_owned());
        let note: SignedNote = self.checkpoint.parse()?;
        let signed_by = note.signed_by(trusted)?.into_iter().map(ToString::to_string).collect();
        let checkpoint: Checkpoint = note.text().parse()?;
        let event = &self.event;
        let leaf: Hash = unhex(&self.leaf_hash).ok_or_else(|| form("leaf_hash"))?;
        if leaf_hash(&leaf_of(event).ok_or_else(|| form("event"))?) != leaf
            || i64::try_from(self.leaf_index).ok() != event.position.checked_sub(1)
        {
            return Err(BadBundle::Leaf);
        }
        let path = self.path.iter().map(|step| STANDARD.decode(step).ok()?.try_into().ok());
        let path = path.collect::<Option<Vec<Hash>>>().ok_or_else(|| form("path"))?;
        if self.size != checkpoint.size {
            return Err(super::tree::BadProof::Length.into());
        }
        check_inclusion(self.leaf_index, checkpoint.size, &leaf, &path, &checkpoint.root)?;
        Ok(Shown {
            event: event.clone(),
            origin: checkpoint.origin,
            size: checkpoint.size,
            root: hex(&checkpoint.root),
            sealed_at: checkpoint.sealed_at,
            signed_by,
            payload_is_as_hashed: false,
        })
    }
}

fn leaf_of(event: &ProvenEvent) -> Option<Vec<u8>> {
    let name = |text: &str| Name::parse(text.to_owned()).ok();
    let recorded_at = DateTime::parse_from_rfc3339(&event.recorded_at).ok()?.to_utc();
    let aggregate = AggregateRef::new(name(&event.aggregate_type)?, event.aggregate_id);
    Some(audit_leaf(&AuditLeaf {
        position: event.position,
        epoch: event.epoch.into(),
        event_id: event.event_id,
        aggregate: &aggregate,
        version: event.version,
        event_type: &name(&event.event_type)?,
        schema_version: event.schema_version,
        recorded_at_micros: recorded_at.timestamp_micros(),
        payload_hash: unhex(&event.payload_hash)?,
        metadata_hash: unhex(&event.metadata_hash)?,
    }))
}

impl Bundle {
    /// Reads a bundle from a file.
    ///
    /// # Errors
    /// [`BadBundle::Form`]
    pub fn parse(text: &str) -> Result<Self, BadBundle> {
        let bundle: Self = serde_json::from_str(text).map_err(|error| BadBundle::Form(error.to_string()))?;
        if bundle.format == FORMAT { Ok(bundle) } else { Err(BadBundle::Form("another format".to_owned())) }
    }

    /// Checks proof and content against keys one trusts, with nothing else at hand.
    ///
    /// # Errors
    /// [`BadBundle`]
    pub fn check(&self, trusted: &[PublicKey]) -> Result<Shown, BadBundle> {
        let mut shown = self.proof.check(trusted)?;
        let metadata = canonical_text(self.metadata.get()).map_err(|_| BadBundle::Metadata)?;
        if hex(&metadata_hash(&metadata)) != self.proof.event.metadata_hash {
            return Err(BadBundle::Metadata);
        }
        if let Some(salt) = &self.salt {
            let salt = unhex::<16>(salt).ok_or_else(|| BadBundle::Form("salt".to_owned()))?;
            let payload = canonical_text(self.payload.get()).map_err(|_| BadBundle::Payload)?;
            if hex(&payload_hash(Some(&salt), &payload)) != self.proof.event.payload_hash {
                return Err(BadBundle::Payload);
            }
            shown.payload_is_as_hashed = true;
        }
        Ok(shown)
    }
}
