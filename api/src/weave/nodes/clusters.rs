use axum::{http::request::Parts, response::Response};
use kernel::Position;
use projections::{
    cache::{CLUSTERS, Made},
    geo::BBox,
    weave::node_map::{
        COUNTED_EVERYWHERE, Cluster, Counts, FINEST, clusters_everywhere, clusters_within, is_bounded,
        pleasant,
    },
};
use serde::Serialize;

use crate::{
    app::App,
    http::{EntityTag, Params},
    problem::Problem,
    query::{Caching, Caught, answer, caught_up},
};

/// Counts instead of nodes: of another shape, and never called `items`.
#[derive(Serialize)]
struct ClustersDocument {
    clusters: Vec<Cluster>,
    /// H3 resolution of the cells.
    resolution: u8,
    position: Position,
}

/// `GET /v1/nodes?bbox=&cluster=`: how many public nodes each cell holds that touches the box.
pub(super) async fn clustered(
    app: &App,
    parts: &Parts,
    params: &Params<'_>,
    bbox: BBox,
) -> Result<Response, Problem> {
    if ["kind", "tag", "limit", "cursor"].iter().any(|name| params.get(name).is_some()) {
        let detail =
            "Clusters count all public nodes and come all at once: without kind, tag, limit and cursor.";
        return Err(Problem::bad_parameter("cluster", detail));
    }
    let resolution = match params.get("cluster") {
        Some("auto") => pleasant(&bbox),
        _ => {
            let number = params.number("cluster", 0..=i64::from(FINEST))?.unwrap_or_default();
            u8::try_from(number).map_err(|_| Problem::internal())?
        }
    };
    let too_fine =
        || Problem::bad_parameter("cluster", "Too fine for so wide a box; write a smaller number, or auto.");
    if !is_bounded(&bbox, resolution) {
        return Err(too_fine());
    }
    let Caught { wanted, reads } = caught_up(app, &parts.headers, &[super::queries::MAP]).await?;
    let counts = if resolution <= COUNTED_EVERYWHERE {
        let load = async move {
            let counts = clusters_everywhere(&reads, resolution).await?;
            Ok(Made { position: counts.position, moment: 0, body: counts.to_bytes().into(), keep: true })
        };
        let made = app.cache.get(&CLUSTERS, resolution.to_string(), wanted, load).await?;
        Counts::from_bytes(made.position, &made.body)
    } else {
        clusters_within(&reads, &bbox, resolution).await?
    };
    let clusters = counts.touching(&bbox).ok_or_else(too_fine)?;
    let document = ClustersDocument { clusters, resolution, position: counts.position };
    answer(&parts.headers, &document, EntityTag::List(counts.position), Caching::Public)
}
