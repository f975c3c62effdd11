use clap::{Args, ValueEnum};

/// What a first start shows.
#[derive(Debug, Clone, Args)]
pub struct DemoSettings {
    /// Load a demo neighbourhood when private servers start for the first time.
    #[arg(long, env = "DEMO", default_value = "on", value_name = "on|off")]
    pub demo: Switch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

impl DemoSettings {
    #[must_use]
    pub fn wanted(&self) -> bool {
        self.demo == Switch::On
    }
}
