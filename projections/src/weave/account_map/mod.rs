//! The map's accounts: `GET /v1/accounts?bbox=`.
//!
//! Where an account shows is personal, so no table can be asked for it. Each process that
//! answers keeps a grid in memory, made from the sealed positions of the account page:
//!
//! - [`AccountMap`] is the grid, H3 cells in order, and how far it is;
//! - [`Follower`] makes it at the start and follows the account page from then on;
//! - [`accounts_in_bbox`] finds candidates in it, and then reads and opens their rows: whether
//!   an account is on the map, and where, the row and its keys decide, not the grid.
//!
//! The exact anchor of an account is in no row and never comes here.

mod follower;
mod grid;
mod queries;
#[cfg(test)]
mod tests;

pub use follower::Follower;
pub use grid::{AccountMap, Standing};
pub use queries::{AccountOnMap, accounts_in_bbox};

/// The read model this is made from.
pub const SOURCE: &str = "account_page";
