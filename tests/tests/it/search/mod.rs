//! The search engine by itself, on a real database: how it is filled, and how it finds.

mod index;
mod plans;
