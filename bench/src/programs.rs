//! The binaries `api` and `replay` of this checkout, as people run them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

pub struct Programs {
    pub api: PathBuf,
    pub replay: PathBuf,
}

impl Programs {
    /// Builds them first when cargo runs us: what is measured is this checkout, not yesterday's.
    ///
    /// # Errors
    /// They do not build, or are not beside us.
    pub fn ready() -> anyhow::Result<Self> {
        let folder = env::current_exe()?.parent().map(Path::to_path_buf).unwrap_or_default();
        if let Some(cargo) = env::var_os("CARGO") {
            eprintln!("bench: building api and replay");
            let mut command = Command::new(cargo);
            command.args(["build", "--quiet", "--package", "api", "--package", "replay", "--bins"]);
            if !cfg!(debug_assertions) {
                command.arg("--release");
            }
            ensure!(command.status().context("run cargo")?.success(), "api and replay do not build");
        }
        let beside = |name: &str| {
            let path = folder.join(name);
            ensure!(path.is_file(), "{} is missing: run `make build`", path.display());
            Ok(path)
        };
        Ok(Self { api: beside("api")?, replay: beside("replay")? })
    }
}
