use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};

/// Benchmarks, side by side with something known, on private servers.
///
/// Every comparison takes turns on the same Postgres in the same minutes, and what is compared
/// with a target is a ratio: absolute figures depend on the machine and on what else it does.
#[derive(Parser, Debug)]
#[command(
    name = "bench",
    after_help = "A table goes to standard output, progress to standard error, and JSON to \
bench/results/<commit>.json and latest.json.\n\nExamples:\n  make bench                      everything, \
about ten minutes; leave the machine alone meanwhile\n  cargo run --release -p bench -- append  one part\n  \
cargo run --release -p bench -- --short  everything in about a minute, without judging targets\n\nExit \
codes: 0 every target met, 1 one was missed or a check found a difference, 2 could not run."
)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,

    /// Seconds instead of minutes: shows that everything runs; targets are not judged, because
    /// runs this short say little.
    #[arg(long, global = true)]
    pub short: bool,

    /// Where the private servers put their data for the time of the run. A folder in memory
    /// makes every flush free and every figure meaningless.
    #[arg(long, global = true, value_name = "DIR", default_value = "target/bench-data")]
    pub scratch: PathBuf,

    /// Folder of the JSON results.
    #[arg(long, global = true, value_name = "DIR", default_value = "bench/results")]
    pub results: PathBuf,
}

/// What to measure.
#[derive(Subcommand, Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Every part (the default).
    All,
    /// Conditional appends: ours, postgres-es, COPY, pgbench.
    Append(AppendArguments),
    /// Ties over HTTP by 128 connections, beside pgbench; catch-up and memory of the api.
    Http,
    /// Nine messages in ten, beside ties; and how soon an answer can be read at 2,000 commands/s.
    Mixed(MixedArguments),
    /// Eight minutes from calm to crowded: signing up, writing, reading.
    Profile,
    /// The relay over a full log, beside plain publishing.
    Relay,
    /// Filling the next generation of node_page, and of all read models, from a log of 150,000 ties.
    Rebuild(RebuildArguments),
    /// Appends with the sealer off and on, and how soon an event is signed.
    Sealer,
    /// Replaying sealed personal data beside the same in clear.
    Encryption,
    /// Wrapping a million subject keys again under a new key-encryption key.
    Keys,
    /// Suggestions over HTTP among 150,000 nodes, as somebody types.
    Suggest,
    /// Filling the search engines that are installed from a log of 200,000 nodes.
    Engines,
    /// 2,000 listeners: how soon they hear, and what they cost in memory.
    Live,
    /// The map of a city among 1,000,000 nodes at 200 requests/s, and clusters of continents.
    Map,
    /// Tie the GeoNames places and compare map, log, stream and `replay verify`.
    Places(PlacesArguments),
    /// Write the table of bench/results/latest.json into docs/benchmarks.md.
    Table,
}

/// For looking closer at one thing. Targets that need somebody left out are not judged.
#[derive(clap::Args, Debug, Clone, Default, PartialEq, Eq)]
pub struct AppendArguments {
    /// Only these numbers of callers.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    pub callers: Vec<usize>,

    /// Only these contestants, as the table names them (`ours`, `copy`, …).
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub only: Vec<String>,
}

/// For looking closer at one thing.
#[derive(clap::Args, Debug, Clone, Default, PartialEq, Eq)]
pub struct MixedArguments {
    /// Only the steady rate and how soon an answer can be read.
    #[arg(long)]
    pub steady: bool,
}

/// For looking closer at one thing.
#[derive(clap::Args, Debug, Clone, Default, PartialEq, Eq)]
pub struct RebuildArguments {
    /// One round, in which every read model is also filled alone.
    #[arg(long)]
    pub each: bool,
}

/// Without options on private servers of its own, which are gone afterwards.
#[derive(clap::Args, Debug, Clone, Default, PartialEq, Eq)]
pub struct PlacesArguments {
    /// Use the api that runs with this data folder (`make run`: ./data). Again is harmless: every
    /// request has its idempotency key.
    #[arg(long, value_name = "DIR", requires = "address")]
    pub data_dir: Option<PathBuf>,

    /// Where that api listens.
    #[arg(long, value_name = "HOST:PORT", requires = "data_dir")]
    pub address: Option<SocketAddr>,

    /// Only the first so many places.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

impl Arguments {
    #[must_use]
    pub fn what(&self) -> What {
        self.what.clone().unwrap_or(What::All)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn nothing_said_means_everything() {
        let arguments = Arguments::try_parse_from(["bench", "--short"]).unwrap();
        assert_eq!(arguments.what(), What::All);
        assert!(arguments.short);
    }
}
