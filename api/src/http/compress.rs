use axum::http::Response;
use hyper::body::Body;
use tower_http::{
    CompressionLevel,
    compression::{CompressionLayer, predicate::Predicate},
};

/// Marks an answer that may be compressed. What holds a secret beside something that a stranger can
/// choose gives the secret away by its compressed length (BREACH), so nothing is by default.
#[derive(Debug, Clone, Copy)]
pub struct Compressible;

/// Below this the packet is the same, and the work for nothing.
const WORTH_IT: u64 = 1_024;

/// gzip, brotli or zstd for answers that are marked. The fastest level: a core compresses at the
/// rate of a fast network, and the rest is for answering.
#[must_use]
pub fn compression() -> CompressionLayer<Marked> {
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(Marked)
}

#[derive(Debug, Clone, Copy)]
pub struct Marked;

impl Predicate for Marked {
    fn should_compress<B: Body>(&self, response: &Response<B>) -> bool {
        response.extensions().get::<Compressible>().is_some()
            && response.body().size_hint().exact().is_some_and(|size| size >= WORTH_IT)
    }
}
