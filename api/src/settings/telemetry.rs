use clap::{Args, ValueEnum};

/// What the process says about itself. Logs go to standard error.
#[derive(Debug, Clone, Args)]
pub struct TelemetrySettings {
    /// Which log lines are written: a level (error, warn, info, debug, trace) or directives such as `info,sqlx=warn`.
    #[arg(long, env = "LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// Form of the log lines.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One sentence per line, for people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}
