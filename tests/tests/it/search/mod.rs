//! The search engines by themselves: how they are filled, and how they find.

mod index;
mod live;
mod plans;
mod wire;
