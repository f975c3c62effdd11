use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::Response,
};
use eventstore::audit::{Against, InclusionProof, prove};
use kernel::{Position, Version};
use projections::audit::audit_index::position_of;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{reader::Reader, seals::damaged};
use crate::{
    app::{App, Shared},
    command::path_id,
    http::{EntityTag, Lane, Params},
    problem::Problem,
    query::{Caching, answer, caught_up, run},
};

/// As the documentation shows [`InclusionProof`].
#[derive(ToSchema)]
#[allow(dead_code)]
pub struct AuditProof {
    event: ProvenEventShape,
    /// Position − 1.
    leaf_index: u64,
    /// Leaves of the tree.
    size: u64,
    /// Hex.
    leaf_hash: String,
    /// From the leaf to the root, base64.
    path: Vec<String>,
    /// The signed note the path leads to.
    checkpoint: String,
}

/// What of the event is in its leaf.
#[derive(ToSchema)]
#[schema(as = ProvenEvent)]
#[allow(dead_code)]
pub struct ProvenEventShape {
    position: Position,
    epoch: i32,
    event_id: Uuid,
    aggregate_type: String,
    aggregate_id: Uuid,
    version: Version,
    r#type: String,
    schema_version: i32,
    recorded_at: String,
    /// Hex, as the following.
    payload_hash: String,
    metadata_hash: String,
}

/// `GET /v1/audit/events/{id}/proof?against=newest|first`
pub async fn proof(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    run(&app, Lane::Operations, proven(&app, &parts)).await
}

async fn proven(app: &App, parts: &Parts) -> Result<Response, Problem> {
    let identity = app.verifier.identity(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), &["against"])?;
    let against = match params.get("against") {
        None | Some("newest") => Against::Newest,
        Some("first") => Against::First,
        Some(_) => return Err(Problem::bad_parameter("against", "Write newest or first.")),
    };
    let id = path_id(parts, 4, "id")?;
    let reader = Reader::of(identity, parts)?;
    caught_up(app, &parts.headers, &["audit_index"]).await?;
    reader.reads(app, "audit.proof", &id.to_string()).await?;
    let position = position_of(app.reads.primary(), id).await?;
    let position = position.ok_or_else(|| Problem::not_found("The log has no such event."))?;
    let proof: InclusionProof = prove(app.reads.primary(), position, against).await.map_err(damaged)?;
    let tag = EntityTag::Read(proof.event.version, proof.size.cast_signed());
    answer(&parts.headers, &proof, tag, Caching::Never)
}
