use std::{io::IsTerminal, process::ExitCode};

use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{
    Answer, Cli, Failure,
    cli::{Command, Common, LogFormat},
    command, interrupt,
    terminal::Screen,
};

/// The whole process: logs, signals, the command, its answer, the exit code.
pub async fn main(cli: Cli) -> ExitCode {
    // In a drill things break on purpose: it tells them itself.
    let log = match (&cli.command, cli.common.log.as_str()) {
        (Command::Drill(_), "warn") => "off",
        (_, log) => log,
    };
    logs(&cli.common, log);
    let stop = interrupt::on_signals();
    let screen = Screen::new(cli.common.json);
    let result = Box::pin(run(&cli, &screen, &stop)).await;
    screen.finish();
    match result {
        Ok(answer) => {
            if cli.common.json {
                println!("{:#}", answer.json());
            } else {
                println!("{}", answer.text());
            }
            ExitCode::from(answer.exit_code())
        }
        Err(failure) => {
            if cli.common.json {
                println!("{:#}", failure.json());
            }
            eprintln!("{}", failure.sentence());
            ExitCode::from(failure.exit_code())
        }
    }
}

/// One command, without a process around it.
///
/// # Errors
/// [`Failure`] when there is no answer; a difference is an answer.
pub async fn run(cli: &Cli, screen: &Screen, stop: &CancellationToken) -> Result<Answer, Failure> {
    command::dispatch(cli, screen, stop).await
}

fn logs(common: &Common, wanted: &str) {
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("warn"));
    // Below info these print addresses with passwords, or the bytes they send.
    let filter = if filter.max_level_hint().is_none_or(|level| level > LevelFilter::INFO) {
        ["async_nats=info", "sqlx=info"]
            .iter()
            .filter_map(|directive| directive.parse().ok())
            .fold(filter, EnvFilter::add_directive)
    } else {
        filter
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second subscriber is refused only where a test has set one.
    let _ = match common.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}
