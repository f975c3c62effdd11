//! Finding the servers' programs, and refusing old ones.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::part::Part;

/// Where Debian puts the versions of Postgres.
const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";

/// A program that was found and is new enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    pub path: PathBuf,
    /// For `LD_LIBRARY_PATH`, when the program lies in an unpacked `root/`.
    pub libraries: Option<OsString>,
    pub version: Version,
}

impl Binary {
    /// A program of the same installation: `initdb` beside `postgres`.
    pub fn sibling(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }
}

/// `15.18`, as far as it is needed for comparing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// The first number in what `--version` prints.
    fn parse(text: &str) -> Option<Version> {
        let text = &text[text.find(|letter: char| letter.is_ascii_digit())?..];
        let mut numbers = text.split(|letter: char| !letter.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        Some(Version(major, numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0)))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The folders in which programs are looked for, in order.
#[derive(Debug, Clone)]
pub struct Shelves {
    folders: Vec<PathBuf>,
}

impl Shelves {
    /// `bin` and `root/usr` of every search folder, then PATH, then Debian's folders.
    pub fn new(search_path: &[PathBuf]) -> Shelves {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut folders = Vec::new();
        for shelf in resolve(search_path) {
            folders.push(shelf.join("bin"));
            let usr = shelf.join("root/usr");
            folders.extend(postgres_versions(&usr.join("lib/postgresql")));
            folders.extend([usr.join("bin"), usr.join("sbin")]);
        }
        folders.extend(env::split_paths(&path).filter(|folder| folder.is_absolute()));
        folders.extend(postgres_versions(Path::new(DEBIAN_POSTGRES)));
        let mut seen = BTreeSet::new();
        folders.retain(|folder| seen.insert(folder.clone()));
        Shelves { folders }
    }

    #[cfg(test)]
    fn of(folders: &[&Path]) -> Shelves {
        Shelves { folders: folders.iter().map(|folder| folder.to_path_buf()).collect() }
    }

    /// Postgres with its tools. Where data is already there, the major version that wrote it.
    pub fn postgres(&self, data: &Path) -> Result<Binary, Error> {
        let written = fs::read_to_string(data.join("PG_VERSION"));
        let written = written.ok().and_then(|text| text.trim().parse::<u32>().ok());
        let complete = |binary: &Binary| is_program(&binary.sibling("initdb"));
        let found = self.find("Postgres", "postgres", "--version", (Version(15, 0), "15"), |binary| {
            complete(binary) && written.is_none_or(|major| binary.version.0 == major)
        });
        match (found, written) {
            (Err(Error::Missing { .. }), Some(written)) => {
                let other =
                    self.find("Postgres", "postgres", "--version", (Version(15, 0), "15"), complete)?;
                Err(Error::OtherMajor { dir: data.to_owned(), written, found: other.version.to_string() })
            }
            (found, _) => found,
        }
    }

    pub fn nats(&self) -> Result<Binary, Error> {
        self.find("nats-server", "nats-server", "-v", (Version(2, 10), "2.10"), |_| true)
    }

    pub fn redis(&self) -> Result<Binary, Error> {
        self.find("redis-server", "redis-server", "--version", (Version(6, 0), "6"), |_| true)
    }

    /// Typesense or Meilisearch.
    pub fn search(&self, part: Part) -> Result<Binary, Error> {
        match part {
            Part::Typesense => {
                // It tells its version over HTTP only.
                let mut paths = self.folders.iter().map(|folder| folder.join("typesense-server"));
                let path = paths.find(|path| is_program(path));
                let path = path.ok_or(Error::Missing { server: "typesense-server", needed: "27" })?;
                Ok(Binary { libraries: unpacked_libraries(&path), path, version: Version(0, 0) })
            }
            _ => self.find("meilisearch", "meilisearch", "--version", (Version(1, 12), "1.12"), |_| true),
        }
    }

    /// The first that is new enough and fits; an old one is named only when there is no other.
    fn find(
        &self,
        server: &'static str,
        program: &str,
        ask: &str,
        (least, needed): (Version, &'static str),
        fits: impl Fn(&Binary) -> bool,
    ) -> Result<Binary, Error> {
        let mut too_old = None;
        for folder in &self.folders {
            let path = folder.join(program);
            let Some(binary) = is_program(&path).then(|| ask_version(path, ask)).flatten() else { continue };
            if binary.version < least {
                let found = binary.version.to_string();
                too_old.get_or_insert(Error::TooOld { server, path: binary.path, found, needed });
            } else if fits(&binary) {
                return Ok(binary);
            }
        }
        Err(too_old.unwrap_or(Error::Missing { server, needed }))
    }
}

/// Whether a search engine's program is installed; why not, otherwise.
///
/// # Errors
/// [`Error::Missing`] and [`Error::TooOld`].
pub fn installed(part: Part, search_path: &[PathBuf]) -> Result<(), Error> {
    Shelves::new(search_path).search(part).map(drop)
}

fn ask_version(path: PathBuf, ask: &str) -> Option<Binary> {
    let libraries = unpacked_libraries(&path);
    let mut command = Command::new(&path);
    command.arg(ask).envs(libraries.iter().map(|libraries| ("LD_LIBRARY_PATH", libraries)));
    // A program that cannot even tell its version (missing library) is not there.
    let output = command.output().ok().filter(|output| output.status.success())?;
    let version = Version::parse(&String::from_utf8_lossy(&output.stdout))
        .or_else(|| Version::parse(&String::from_utf8_lossy(&output.stderr)))?;
    Some(Binary { path, libraries, version })
}

/// `<shelf>/root/usr/lib/<architecture>` for a program somewhere below `<shelf>/root/usr`.
fn unpacked_libraries(path: &Path) -> Option<OsString> {
    let usr = path.ancestors().find(|folder| folder.ends_with("root/usr"))?;
    let folders = fs::read_dir(usr.join("lib")).ok()?.flatten().map(|entry| entry.path());
    let gnu = folders.filter(|folder| folder.to_string_lossy().contains("-linux-"));
    env::join_paths(gnu).ok()
}

/// `<folder>/17/bin`, `<folder>/15/bin`: the newest first.
fn postgres_versions(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut majors: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    majors.sort_unstable_by(|a, b| b.cmp(a));
    majors.into_iter().map(|major| folder.join(major.to_string()).join("bin")).collect()
}

/// Relative folders are tried below the working directory, the executable and all their
/// ancestors, but only where they are ours or root's: in a shared place like /tmp anybody
/// could put a program in our way.
fn resolve(search_path: &[PathBuf]) -> Vec<PathBuf> {
    let starts = [env::current_dir().ok(), env::current_exe().ok()];
    let bases: Vec<&Path> = starts.iter().flatten().flat_map(|start| start.ancestors()).collect();
    let mut found = Vec::new();
    for wanted in search_path {
        if wanted.is_absolute() {
            found.push(wanted.clone());
        } else {
            found.extend(bases.iter().map(|base| base.join(wanted)).filter(|folder| is_trusted(folder)));
        }
    }
    found
}

fn is_trusted(folder: &Path) -> bool {
    let us = rustix::process::geteuid().as_raw();
    fs::metadata(folder).is_ok_and(|found| found.is_dir() && (found.uid() == us || found.uid() == 0))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Path, name: &str, says: &str) {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn versions_are_read_from_what_the_servers_print() {
        assert_eq!(Version::parse("postgres (PostgreSQL) 15.18 (Debian 15.18-0)"), Some(Version(15, 18)));
        assert_eq!(Version::parse("postgres (PostgreSQL) 19beta1"), Some(Version(19, 0)));
        assert_eq!(Version::parse("nats-server: v2.15.1"), Some(Version(2, 15)));
        assert_eq!(Version::parse("Redis server v=7.0.15 sha=00000000:0"), Some(Version(7, 0)));
        assert_eq!(Version::parse("no idea"), None);
    }

    #[test]
    fn a_missing_server_says_what_to_do() {
        let empty = tempfile::tempdir().unwrap();
        let error = Shelves::of(&[empty.path()]).nats().unwrap_err();
        assert_eq!(
            error.to_string(),
            "nats-server is not installed (version 2.10 or newer is needed): run `make servers`"
        );
    }

    #[test]
    fn an_old_server_is_passed_over_for_a_newer_one_further_down() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(old.path(), "nats-server", "nats-server: v2.9.10");
        let error = Shelves::of(&[old.path()]).nats().unwrap_err();
        assert!(
            error.to_string().ends_with("is version 2.9, but 2.10 or newer is needed: run `make servers`")
        );
        program(new.path(), "nats-server", "nats-server: v2.11.0");
        let found = Shelves::of(&[old.path(), new.path()]).nats().unwrap();
        assert_eq!(found.version, Version(2, 11));
    }

    #[test]
    fn data_of_one_major_version_is_not_opened_with_another() {
        let (shelf, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(shelf.path(), "postgres", "postgres (PostgreSQL) 17.2");
        program(shelf.path(), "initdb", "");
        let shelves = Shelves::of(&[shelf.path()]);
        assert_eq!(shelves.postgres(data.path()).unwrap().version, Version(17, 2));
        fs::write(data.path().join("PG_VERSION"), "15\n").unwrap();
        let error = shelves.postgres(data.path()).unwrap_err().to_string();
        assert!(error.contains("written by Postgres 15, but only Postgres 17.2 is installed"), "{error}");
    }
}
