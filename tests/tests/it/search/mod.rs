//! The search engines by themselves: how they are filled, and how they find.

mod choosing;
mod feeding;
mod index;
mod live;
mod plans;
mod shelf;
pub mod sweep;
mod toy;
mod wire;
