use kernel::Position;
use serde_json::{Map, Value, json};
use sqlx::PgExecutor;

use super::{
    SUBJECTS, StreamClient, StreamError, StreamState,
    config::{CHANGEABLE, differences, epoch_of},
};
use crate::StoreError;

/// What [`StreamClient::ensure`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ensured {
    AsItShould,
    /// These fields were changed in place.
    Updated(Vec<String>),
    Created,
}

/// The first position of an epoch: where its stream begins.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked or does not know the epoch.
pub async fn epoch_start(db: impl PgExecutor<'_>, epoch: i32) -> Result<Position, StoreError> {
    sqlx::query_scalar!("select first_position from epochs where epoch = $1", epoch)
        .fetch_optional(db)
        .await?
        .ok_or_else(|| StoreError::Internal(format!("epoch {epoch} is unknown to the log")))
}

impl StreamClient {
    /// Makes sure the stream is there and as configured. A missing one is made so that its first
    /// message gets the sequence `first`. Age, size, replicas and window are changed in place.
    ///
    /// Only one stream can listen on the subjects. The stream of an earlier epoch that still does
    /// is set aside: it keeps its messages (the surplus of a failover may be salvaged from it) and
    /// its name, gets a subject nobody publishes to, and its reservation shrinks to what it holds.
    /// A relay left over from that epoch names its stream in every publish and is refused.
    ///
    /// # Errors
    /// [`StreamError::Differs`] names a field that cannot be changed in place,
    /// [`StreamError::EpochOver`] when a later epoch has its stream already.
    pub async fn ensure(&self, first: Position) -> Result<Ensured, StreamError> {
        self.check_version()?;
        let wanted = self.config().wanted();
        self.take_subjects().await?;
        let ensured = match self.state().await {
            Ok(state) => self.update(&wanted, state).await?,
            Err(StreamError::Missing { .. }) => {
                self.create(wanted.clone(), first).await?;
                Ensured::Created
            }
            Err(error) => return Err(error),
        };
        // What was asked for and what is there are two things: read it back.
        let state = self.state().await?;
        match differences(&wanted, &state.config).into_iter().next() {
            None => Ok(ensured),
            Some(difference) => Err(self.differs(difference)),
        }
    }

    /// Deletes this epoch's stream; one that is not there is fine.
    ///
    /// # Errors
    /// [`StreamError`] when JetStream refuses.
    pub async fn delete(&self) -> Result<(), StreamError> {
        match self.api("delete stream", format!("STREAM.DELETE.{}", self.name()), &json!({})).await {
            Ok(_) | Err(StreamError::Missing { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, mut fields: Map<String, Value>, first: Position) -> Result<(), StreamError> {
        if first > 1 {
            fields.insert("first_seq".into(), first.into());
        }
        match self.api("create stream", format!("STREAM.CREATE.{}", self.name()), &fields.into()).await {
            // 10058: another process made it with another start; ours is read back below.
            Ok(_) | Err(StreamError::Refused { code: 10058, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn update(&self, wanted: &Map<String, Value>, state: StreamState) -> Result<Ensured, StreamError> {
        let mut fields = state.config;
        let mut changed = vec![];
        for difference in differences(wanted, &fields) {
            if !CHANGEABLE.contains(&difference.0.as_str()) {
                return Err(self.differs(difference));
            }
            changed.push(difference.0.clone());
            fields.insert(difference.0, difference.2);
        }
        if changed.is_empty() {
            return Ok(Ensured::AsItShould);
        }
        self.api("update stream", format!("STREAM.UPDATE.{}", self.name()), &fields.into()).await?;
        Ok(Ensured::Updated(changed))
    }

    /// Sees to it that no other stream listens on the subjects.
    async fn take_subjects(&self) -> Result<(), StreamError> {
        let ours = self.config().epoch;
        let question = json!({ "subject": SUBJECTS });
        let answer = self.api("stream names", "STREAM.NAMES".to_owned(), &question).await?;
        for name in answer["streams"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            match epoch_of(name) {
                Some(epoch) if epoch == ours => {}
                Some(newer) if newer > ours => return Err(StreamError::EpochOver { ours, newer }),
                Some(_) => self.set_aside(name).await?,
                None => return Err(StreamError::SubjectsTaken { name: name.to_owned() }),
            }
        }
        Ok(())
    }

    async fn set_aside(&self, name: &str) -> Result<(), StreamError> {
        let state = self.state_of(name).await?;
        let mut fields = state.config;
        fields.insert("subjects".into(), json!([format!("retired.{name}")]));
        // A little more than it holds: what is on its way may still arrive.
        fields.insert("max_bytes".into(), (state.bytes + (1 << 20)).into());
        self.api("set aside the stream of an earlier epoch", format!("STREAM.UPDATE.{name}"), &fields.into())
            .await?;
        tracing::info!(stream = name, "the stream of an earlier epoch is set aside");
        Ok(())
    }

    fn differs(&self, (field, found, wanted): super::config::FieldDifference) -> StreamError {
        StreamError::Differs {
            name: self.name().to_owned(),
            field,
            found: found.to_string(),
            wanted: wanted.to_string(),
        }
    }
}
