//! Value objects: made by `parse` only, which is strict (422 with the field's pointer).
//! Decoding from the log is tolerant: what is stored has happened, whatever today's rules say.
//!
//! No `Display` and a `Debug` without content: a title may be a person's name.

mod change;
mod email;
mod location;
mod map_state;
mod public_point;
mod radius;
mod search_visibility;
mod tags;
mod text;

pub use change::Change;
pub use email::Email;
pub use location::Location;
pub use map_state::MapState;
pub use public_point::{EARTH_RADIUS_M, MIN_OFFSET_M, distance_m, public_point};
pub use radius::Radius;
pub use search_visibility::SearchVisibility;
pub use tags::{AccountTags, NodeTags, THEMES, Tag, Tags};
pub(crate) use text::checked_line;
pub use text::{ContactAddress, Info, Kind, MessageContent, NodeAddress, Summary, Title};
