//! The command line: every option is a flag and an environment variable of the same name.

mod audit;
mod commands;
mod common;
mod help;
mod import;
mod lifecycle;
mod stream_policy;
mod units;

pub use audit::{AuditCommand, AuditKeysCommand, AuditPlace};
use clap::Parser;
pub use commands::{
    AdvanceArguments, BackupCommand, BackupOptions, Command, DrillArguments, EpochCommand, JobsCommand,
    ParkedCommand, PastCommand, RebuildArguments, ReservationsCommand, RestoreArguments, SalvageArguments,
    Scenario, ScratchPart, StreamCommand,
};
pub use common::{Common, LogFormat, SecretUrl};
pub use import::{ImportArguments, ImportCommand};
pub use lifecycle::{
    ExportArguments, ForgetArguments, ForgetCommand, ForgetOptions, HoldArguments, KeysCommand,
    RetentionCommand, ScanArguments,
};
pub use stream_policy::StreamPolicy;
pub use units::{Moment, Span, Until};

/// Looks after the log, its stream and its read models: status, verify, rebuild, and what to do after a failover.
#[derive(Debug, Parser)]
#[command(name = "replay", version, after_help = help::TOP, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub common: Common,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn all(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name());
            all(sub, &path, found);
            found.push((path, sub.clone()));
        }
    }

    #[test]
    fn every_command_teaches() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        let mut commands = vec![];
        all(&cli, "replay", &mut commands);
        assert!(commands.len() >= 15);
        for (path, command) in commands {
            assert!(command.get_about().is_some(), "{path} says nothing");
            if command.has_subcommands() {
                continue;
            }
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Example") && after.contains("Exit codes"), "{path}: {after}");
            for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
                assert!(argument.get_help().is_some(), "{path} {}", argument.get_id());
            }
        }
    }

    #[test]
    fn flags_are_the_environment_names_in_lower_case_with_dashes() {
        for argument in Cli::command().get_arguments() {
            if let (Some(long), Some(env)) = (argument.get_long(), argument.get_env()) {
                assert_eq!(long, env.to_str().unwrap().to_lowercase().replace('_', "-"));
            }
        }
    }

    #[test]
    fn no_password_is_ever_shown() {
        let arguments = ["replay", "status", "--database-url", "postgres://a:geheim@h/d"];
        let cli = Cli::try_parse_from(arguments).unwrap();
        assert!(!format!("{cli:?}").contains("geheim"));
    }
}
