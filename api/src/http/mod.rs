//! HTTP itself: the server, what surrounds every request, and how headers, bodies and query
//! parameters are read.

mod body;
mod compress;
mod edge;
mod etag;
mod guests;
mod headers;
mod lanes;
mod leftover;
mod params;
mod refusals;
mod seat;
mod server;

pub use body::{MAX_BODY, has_json_type, oversized, read_body};
pub use compress::{Compressible, compression};
pub use edge::Edge;
pub use etag::{EntityTag, IfMatch, if_match, none_match};
pub use headers::{correlation, idempotency_key, min_position, preferred_wait, single};
pub use lanes::{Lane, Lanes};
pub use params::Params;
pub use seat::Seat;
pub use server::{Server, ServerLimits};
