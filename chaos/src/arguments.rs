use std::{path::PathBuf, time::Duration};

use clap::Parser;

/// Kills, pauses and cuts off real processes under load, and checks that every promise held.
#[derive(Parser, Debug, Clone)]
#[command(
    name = "chaos",
    after_help = "The last line on standard output is the figure line; progress and checks go to standard \
error.\n\nExamples:\n  make chaos                    five minutes, another seed each time\n  \
make chaos MINUTES=30 SEED=7  the same faults as the last time with seed 7\n  make chaos FULL=1             \
until 1,000 kills and 500,000 acknowledged commands; hours\n\nExit codes: 0 every promise held, 1 one did \
not, 2 could not run, 130 interrupted (and every promise held until then). Ctrl-C stops the faults, checks and reports; \
once more ends at once."
)]
pub struct Arguments {
    /// How long faults strike, in minutes.
    #[arg(long, value_name = "NUMBER", default_value_t = 5.0, value_parser = minutes)]
    pub minutes: f64,

    /// Decides which faults strike whom [default: made from the clock].
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// Go on until the full figures are reached, and write them to the results folder.
    #[arg(long)]
    pub full: bool,

    /// Callers that send commands.
    #[arg(long, value_name = "NUMBER", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub callers: u64,

    /// Where the servers put their data for the time of the run; left there when a promise broke.
    #[arg(long, value_name = "FOLDER", default_value = "target/chaos")]
    pub scratch: PathBuf,

    /// Folder of the JSON results of a full run.
    #[arg(long, value_name = "FOLDER", default_value = "bench/results")]
    pub results: PathBuf,

    /// Negative control: commands are sent without their keys, so that asking again does things
    /// twice. The checker has to see it.
    #[arg(long, hide = true)]
    pub without_keys: bool,

    /// Leave data, logs and history where they are, whatever came out.
    #[arg(long)]
    pub keep: bool,
}

impl Arguments {
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= 10_000.0 => Ok(minutes),
        _ => Err("a number of minutes above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
        let arguments = Arguments::try_parse_from(["chaos", "--minutes", "0.5", "--seed", "7"]).unwrap();
        assert_eq!((arguments.length(), arguments.seed), (Duration::from_secs(30), Some(7)));
        assert!(Arguments::try_parse_from(["chaos", "--minutes", "0"]).is_err());
    }
}
