use std::process::ExitCode;

use bench::{
    append,
    arguments::{AppendArguments, Arguments, MixedArguments, PlacesArguments, RebuildArguments, What},
    encrypted, engines, http, keys, live, map, mixed, places, profile, rebuild, relay,
    report::{self, Report},
    sealer, suggest,
};
use clap::Parser;

/// The one `api` and `replay` have: what is measured in this process is measured as it runs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit codes: 0 every target met, 1 one was missed or a check found a difference, 2 could not run.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return could_not_run(&error.into()),
    };
    match runtime.block_on(run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) if error.is::<places::Difference>() => {
            eprintln!("{error}");
            ExitCode::from(1)
        }
        Err(error) => could_not_run(&error),
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let what = arguments.what();
    if what == What::Table {
        report::document::renew(&arguments.results)?;
        return Ok(true);
    }
    let mut report = Report::start(arguments)?;
    let (mut closer, mut places) = (AppendArguments::default(), PlacesArguments::default());
    let (mut mixed, mut rebuild) = (MixedArguments::default(), RebuildArguments::default());
    let parts: &[&'static str] = match what {
        What::Table => &[],
        What::All => &[
            "append",
            "http",
            "mixed",
            "profile",
            "relay",
            "rebuild",
            "sealer",
            "encryption",
            "keys",
            "suggest",
            "engines",
            "live",
            "map",
            "places",
        ],
        What::Append(arguments) => {
            closer = arguments;
            &["append"]
        }
        What::Http => &["http"],
        What::Mixed(arguments) => {
            mixed = arguments;
            &["mixed"]
        }
        What::Profile => &["profile"],
        What::Relay => &["relay"],
        What::Rebuild(arguments) => {
            rebuild = arguments;
            &["rebuild"]
        }
        What::Sealer => &["sealer"],
        What::Encryption => &["encryption"],
        What::Keys => &["keys"],
        What::Suggest => &["suggest"],
        What::Engines => &["engines"],
        What::Live => &["live"],
        What::Map => &["map"],
        What::Places(arguments) => {
            places = arguments;
            &["places"]
        }
    };
    for part in parts {
        // Boxed: each is a large state machine, and one of them runs at a time.
        let runs = match *part {
            "append" => Box::pin(append::run(arguments, &closer)).await?,
            "http" => Box::pin(http::run(arguments)).await?,
            "mixed" => Box::pin(mixed::run(arguments, &mixed)).await?,
            "profile" => Box::pin(profile::run(arguments)).await?,
            "relay" => Box::pin(relay::run(arguments)).await?,
            "rebuild" => Box::pin(rebuild::run(arguments, &rebuild)).await?,
            "sealer" => Box::pin(sealer::run(arguments)).await?,
            "encryption" => Box::pin(encrypted::run(arguments)).await?,
            "keys" => Box::pin(keys::run(arguments)).await?,
            "live" => Box::pin(live::run(arguments)).await?,
            "map" => Box::pin(map::run(arguments)).await?,
            "suggest" => Box::pin(suggest::run(arguments)).await?,
            "engines" => Box::pin(engines::run(arguments)).await?,
            _ => Box::pin(places::run(arguments, &places)).await?,
        };
        report.add(part, runs)?;
    }
    println!("{}", report.table());
    Ok(report.all_met())
}

fn could_not_run(error: &anyhow::Error) -> ExitCode {
    eprintln!("{error:#}");
    ExitCode::from(2)
}
