//! The operator's tool. Everything is in the library, so that tests can run a command in process.

use std::process::ExitCode;

use clap::Parser;
use replay::Cli;

/// As in `api`: a rebuild allocates for every event, on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(replay::main(Cli::parse())).await
}
