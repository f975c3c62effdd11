use std::path::PathBuf;

use clap::Args;

/// Who is believed.
#[derive(Debug, Clone, Args)]
pub struct AuthSettings {
    /// Private ed25519 key (PKCS#8 PEM, mode 0600) that signs and checks tokens [default: $DATA_DIR/keys/jwt, made at the first start].
    #[arg(long, env = "JWT_KEY_FILE", value_name = "FILE")]
    pub jwt_key_file: Option<PathBuf>,
}
