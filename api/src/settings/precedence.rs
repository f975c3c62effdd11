use clap::Args;

use super::Span;

/// Who waits when the machine is full.
#[derive(Debug, Clone, Args)]
pub struct PrecedenceSettings {
    /// While commands fill the processors of this machine, relay and read models of this process
    /// pause, so long at most before they catch up; 0s: they never do.
    #[arg(long, env = "COMMANDS_FIRST", default_value = "15s", value_name = "SPAN")]
    pub commands_first: Span,
}
