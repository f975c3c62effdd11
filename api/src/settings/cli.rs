use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::{PlatformRole, PlatformRoles};
use uuid::Uuid;

use super::{
    AuthSettings, DatabaseSettings, DemoSettings, ForgetSettings, HttpSettings, KeyStoreSettings,
    LaterSettings, PlaceSettings, PrecedenceSettings, RedisSettings, Roles, SearchSettings, Span,
    StreamSettings, TelemetrySettings,
};

const AFTER_HELP: &str = "\
Every option is also an environment variable of the same name in capitals: --data-dir is DATA_DIR.
Without URLs, private Postgres, key store, NATS and Redis run as child processes under DATA_DIR, and
Typesense and Meilisearch where they are installed.

Examples:
  api                                        serve on 127.0.0.1:8080, everything under ./data
  PORT=9000 DATA_DIR=/srv/weltgewebe api serve
  api serve --roles command,query --database-url postgres://app@db/log --keys-database-url …
  api token --account 01920000-0000-7000-8000-000000000001 --roles auditor --ttl 1h
  curl -H \"Authorization: Bearer $(cat data/dev-token)\" localhost:8080/v1/audit/events

Exit codes: 0 fine · 1 refused by a rule · 2 could not run (one sentence on standard error) · 130 interrupted";

/// The backend of the Weltgewebe: commands in, a gapless log, read models out.
#[derive(Debug, Parser)]
#[command(name = "api", version, after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: ServeSettings,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve HTTP and work on the roles of this process; what happens without a subcommand.
    #[command(after_help = AFTER_HELP)]
    Serve(Box<ServeSettings>),
    /// Print a token for an account, signed with this installation's key.
    Token(TokenSettings),
    /// Bring log and key store to the current shape, then end.
    Migrate(Box<MigrateSettings>),
    /// Print the OpenAPI document of this version.
    Openapi,
}

/// Everything `api serve` needs.
#[derive(Debug, Clone, Args)]
pub struct ServeSettings {
    #[command(flatten)]
    pub place: PlaceSettings,
    #[command(flatten)]
    pub http: HttpSettings,
    /// Jobs of this process, a comma list: command, query, relay, projector, reactor, or all.
    #[arg(long, env = "ROLES", default_value = "all", value_name = "LIST")]
    pub roles: Roles,
    #[command(flatten)]
    pub precedence: PrecedenceSettings,
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub key_store: KeyStoreSettings,
    #[command(flatten)]
    pub forget: ForgetSettings,
    #[command(flatten)]
    pub stream: StreamSettings,
    #[command(flatten)]
    pub redis: RedisSettings,
    #[command(flatten)]
    pub search: SearchSettings,
    #[command(flatten)]
    pub auth: AuthSettings,
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
    #[command(flatten)]
    pub demo: DemoSettings,
    #[command(flatten)]
    pub later: LaterSettings,
}

#[derive(Debug, Clone, Args)]
pub struct MigrateSettings {
    #[command(flatten)]
    pub place: PlaceSettings,
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub key_store: KeyStoreSettings,
}

#[derive(Debug, Clone, Args)]
pub struct TokenSettings {
    /// Account the token speaks for; it need not be registered yet.
    #[arg(long, value_name = "UUID")]
    pub account: Uuid,
    /// Platform roles, a comma list: admin, auditor, operator.
    #[arg(long, value_delimiter = ',', value_enum, value_name = "LIST")]
    pub roles: Vec<RoleWord>,
    /// How long it is valid.
    #[arg(long, default_value = "24h", value_name = "SPAN")]
    pub ttl: Span,
    #[command(flatten)]
    pub place: PlaceSettings,
    #[command(flatten)]
    pub auth: AuthSettings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// May do what a weaver may, everywhere, and manage accounts.
    Admin,
    /// Reads the log and its proofs.
    Auditor,
    /// Works on replay, parked events, metrics.
    Operator,
}

impl TokenSettings {
    #[must_use]
    pub fn platform_roles(&self) -> PlatformRoles {
        self.roles.iter().fold(PlatformRoles::default(), |roles, word| {
            roles.with(match word {
                RoleWord::Admin => PlatformRole::Admin,
                RoleWord::Auditor => PlatformRole::Auditor,
                RoleWord::Operator => PlatformRole::Operator,
            })
        })
    }
}

impl ServeSettings {
    /// Settings as `api serve` with these arguments would have them, for tests.
    ///
    /// # Errors
    /// clap's, for an unknown flag or a bad value.
    pub fn from_arguments<'a>(
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, clap::error::Error> {
        Ok(Cli::try_parse_from(["api"].into_iter().chain(arguments))?.serve)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_visible_option_has_a_sentence() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in std::iter::once(&cli).chain(cli.get_subcommands()) {
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                assert!(argument.get_help().is_some(), "{}", argument.get_id());
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
    fn settings_never_show_a_password() {
        let settings = ServeSettings::from_arguments(["--database-url", "postgres://a:geheim@h/d"]).unwrap();
        assert!(!format!("{settings:?}").contains("geheim"));
    }
}
