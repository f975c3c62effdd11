use clap::Args;

/// Settings of later versions: known, so that one environment file serves all versions, and
/// named at the start when they are set, so that nobody believes they do something.
#[derive(Debug, Clone, Args)]
pub struct LaterSettings {
    #[arg(long, env = "TRUSTED_PROXIES", hide = true)]
    trusted_proxies: Option<String>,
    #[arg(long, env = "CORS_ORIGINS", hide = true)]
    cors_origins: Option<String>,
    #[arg(long, env = "SMTP_URL", hide = true, hide_env_values = true)]
    smtp_url: Option<super::SecretText>,
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide = true)]
    otel_exporter_otlp_endpoint: Option<String>,
    #[arg(long, env = "SENTRY_DSN", hide = true, hide_env_values = true)]
    sentry_dsn: Option<super::SecretText>,
}

impl LaterSettings {
    /// Origins whose pages may use the API, without the blanks and slashes people write.
    #[must_use]
    pub fn origins(&self) -> Vec<String> {
        let origins = self.cors_origins.iter().flat_map(|list| list.split(','));
        origins.map(|one| one.trim().trim_end_matches('/').to_owned()).filter(|one| !one.is_empty()).collect()
    }

    /// Which of them are set.
    pub fn set(&self) -> impl Iterator<Item = &'static str> {
        [
            ("TRUSTED_PROXIES", self.trusted_proxies.is_some()),
            ("CORS_ORIGINS", self.cors_origins.is_some()),
            ("SMTP_URL", self.smtp_url.is_some()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.otel_exporter_otlp_endpoint.is_some()),
            ("SENTRY_DSN", self.sentry_dsn.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, set)| set.then_some(name))
    }
}
