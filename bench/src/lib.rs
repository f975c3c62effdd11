//! Benchmarks that say how fast the log, the HTTP side, the relay and a rebuild are, always
//! beside something known on the same servers in the same minutes; and 150,000 real places sent
//! through the whole system and counted at the other end.
//!
//! - [`append`]: the appender, postgres-es, COPY and pgbench on one Postgres;
//! - [`http`]: ties over real connections, beside pgbench;
//! - [`relay`]: the relay beside plain publishing; [`rebuild`]: a read model from the log;
//! - [`sealer`]: appends with and without the sealer; [`encrypted`]: replaying sealed data beside clear;
//!   [`keys`]: wrapping a million keys again;
//! - [`suggest`]: titles while somebody types, over HTTP;
//! - [`engines`]: filling the search engines beside Postgres, where they are installed;
//! - [`live`]: 2,000 listeners; [`map`]: a city among a million nodes;
//! - [`places`]: the places, and whether map, log, stream and `replay verify` agree;
//! - [`mixed`]: messages, ties and the rest as real use has them, and how soon they can be read;
//! - [`profile`]: a day's shape, from calm to crowded;
//! - [`load`], [`open_loop`], [`rounds`]: callers in a closed and in an open loop, turns, ratios;
//! - [`servers`], [`programs`], [`api`], [`pgbench`], [`filled_log`]: what the parts run on;
//! - [`report`]: the table, the JSON below `bench/results`, targets and the exit code.

pub mod api;
pub mod append;
pub mod arguments;
pub mod encrypted;
pub mod engines;
pub mod filled_log;
pub mod http;
pub mod keys;
pub mod live;
pub mod load;
pub mod map;
pub mod mixed;
pub mod open_loop;
pub mod pgbench;
pub mod places;
pub mod profile;
pub mod programs;
pub mod progress;
pub mod rebuild;
pub mod relay;
pub mod report;
pub mod rounds;
pub mod sealer;
pub mod servers;
pub mod suggest;
