use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Manifest;
use crate::Failure;

/// What is backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Log,
    Keys,
}

impl Kind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Keys => "keys",
        }
    }
}

/// The folder of all backups.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    pub const fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    pub fn wal(&self) -> PathBuf {
        self.root.join("wal")
    }

    pub fn backup(&self, kind: Kind, name: &str) -> PathBuf {
        self.root.join(kind.name()).join(name)
    }

    pub fn manifest(&self, kind: Kind, name: &str) -> PathBuf {
        self.root.join(kind.name()).join(format!("{name}.json"))
    }

    /// Sorts as time does.
    pub fn name_for(at: DateTime<Utc>) -> String {
        at.format("%Y%m%dT%H%M%SZ").to_string()
    }

    /// Makes the folder of a kind, private.
    pub fn make(&self, kind: Kind) -> Result<(), Failure> {
        let path = self.root.join(kind.name());
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|error| broken(&path, &error))
    }

    /// Complete backups, the oldest first.
    pub fn list(&self, kind: Kind) -> Result<Vec<Manifest>, Failure> {
        let path = self.root.join(kind.name());
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(broken(&path, &error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let file = entry.map_err(|error| broken(&path, &error))?.path();
            if file.extension().is_some_and(|extension| extension == "json") {
                found.push(Manifest::read(&file)?);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The named one, or the newest.
    pub fn choose(&self, kind: Kind, name: Option<&str>) -> Result<Manifest, Failure> {
        let mut all = self.list(kind)?;
        let chosen = match name {
            Some(name) => all.into_iter().find(|one| one.name == name),
            None => all.pop(),
        };
        chosen.ok_or_else(|| {
            let which = name.map_or_else(String::new, |name| format!(" {name}"));
            Failure::could_not_run(format!(
                "there is no backup{which} of the {} in {}: see `replay backup list`",
                kind.name(),
                self.root.display()
            ))
        })
    }
}

pub fn broken(path: &Path, error: &io::Error) -> Failure {
    Failure::could_not_run(format!("{}: {error}", path.display()))
}
