use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use super::outside;
use crate::audit::{
    AuditError, CheckpointNotes, SignerFolder,
    note::{KeyChange, PublicKey, SignedNote},
    store::{audit_keys, origin},
};

/// What a rotation did.
#[derive(Debug, Clone)]
pub struct Rotated {
    pub new: PublicKey,
    /// Until when the keys before it sign too.
    pub old: Vec<PublicKey>,
    pub old_sign_until: DateTime<Utc>,
}

/// Makes a new key that signs from now on; those before it go on signing for `overlap`, so that
/// nobody who knows only them is left without a checkpoint. The change itself is a note in the
/// checkpoint file, signed by old and new: trust goes from one to the other without this database.
///
/// Interrupted before the last step, everything is as it was, but for a key file that nobody uses
/// and perhaps a note about it.
///
/// # Errors
/// [`AuditError`]; also when none of the present keys is in the folder.
pub async fn rotate(
    owner: &PgPool,
    folder: &SignerFolder,
    file: &CheckpointNotes,
    overlap: TimeDelta,
) -> Result<Rotated, AuditError> {
    let origin = origin(owner).await?;
    let signing: Vec<_> = audit_keys(owner).await?.into_iter().filter(|row| row.signs_now).collect();
    let old = signing
        .iter()
        .map(|row| folder.load(&origin, &row.key.id().to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    if old.is_empty() {
        return Err(AuditError::Damaged("no key signs yet: let the sealer make the first one".to_owned()));
    }
    let new = folder.create(&origin)?;
    let mut note = SignedNote::unsigned(KeyChange { key: new.public().clone() }.to_string());
    old.iter().for_each(|signer| signer.sign(&mut note));
    new.sign(&mut note);
    outside::append(file, vec![note]).await?;

    let mut transaction = owner.begin().await?;
    // Two operators at once: the second makes one more key, and the first one's signs with it.
    sqlx::query!(r#"select pg_advisory_xact_lock(hashtextextended('audit_keys', 0)) as "locked""#)
        .fetch_one(&mut *transaction)
        .await?;
    let until = sqlx::query_scalar!(
        r#"select clock_timestamp() + make_interval(secs => $1::float8) as "until!""#,
        overlap.as_seconds_f64()
    )
    .fetch_one(&mut *transaction)
    .await?;
    sqlx::query!("update audit_keys set signs_until = $1 where signs_until is null", until)
        .execute(&mut *transaction)
        .await?;
    sqlx::query!(
        "insert into audit_keys (key_id, public_key) values ($1, $2)",
        new.public().id().to_string(),
        new.public().bytes().as_slice()
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Rotated {
        new: new.public().clone(),
        old: old.iter().map(|signer| signer.public().clone()).collect(),
        old_sign_until: until,
    })
}
