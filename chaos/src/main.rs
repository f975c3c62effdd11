use std::process::ExitCode;

use chaos::arguments::Arguments;
use clap::Parser;

const COULD_NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return could_not_run(&error.into()),
    };
    match runtime.block_on(chaos::run(&arguments)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => could_not_run(&error),
    }
}

fn could_not_run(error: &anyhow::Error) -> ExitCode {
    eprintln!("{error:#}");
    ExitCode::from(COULD_NOT_RUN)
}
