use std::{fs, io, path::Path, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Folder, Kind, Manifest, folder::broken};
use crate::Failure;

/// Erasing a person is final when the last backup of his keys is gone.
pub const KEYS_AT_MOST: Duration = Duration::from_secs(7 * 86_400);

#[derive(Debug, Default, Serialize)]
pub struct Pruned {
    pub log: Vec<String>,
    pub keys: Vec<String>,
    pub wal_segments: usize,
    pub kept_log: usize,
    pub kept_keys: usize,
}

/// Removes what is older than `keep`: base backups of the log but for the newest, WAL that no kept
/// base backup needs, and every backup of the keys that is older than `keep_keys`, the newest too.
pub fn prune(
    folder: &Folder,
    now: DateTime<Utc>,
    keep: Duration,
    keep_keys: Duration,
) -> Result<Pruned, Failure> {
    let mut pruned = Pruned::default();
    let old = |one: &Manifest, keep: Duration| (now - one.taken_at).to_std().is_ok_and(|age| age > keep);
    let mut log = folder.list(Kind::Log)?;
    // One that is too old is better than none.
    let newest = log.pop();
    for one in &log {
        if old(one, keep) {
            remove(folder, one)?;
            pruned.log.push(one.name.clone());
        }
    }
    let kept: Vec<&Manifest> = log.iter().filter(|one| !old(one, keep)).chain(newest.as_ref()).collect();
    pruned.kept_log = kept.len();
    if let Some(first) = kept.iter().map(|one| one.first_wal.as_str()).min_by_key(|name| segment(name)) {
        pruned.wal_segments = prune_wal(&folder.wal(), first)?;
    }
    for one in folder.list(Kind::Keys)? {
        if old(&one, keep_keys.min(KEYS_AT_MOST)) {
            remove(folder, &one)?;
            pruned.keys.push(one.name.clone());
        } else {
            pruned.kept_keys += 1;
        }
    }
    Ok(pruned)
}

fn remove(folder: &Folder, one: &Manifest) -> Result<(), Failure> {
    // First of all it is no backup any more.
    let manifest = folder.manifest(one.kind, &one.name);
    fs::remove_file(&manifest).map_err(|error| broken(&manifest, &error))?;
    let path = folder.backup(one.kind, &one.name);
    fs::remove_dir_all(&path).map_err(|error| broken(&path, &error))
}

/// Segments are ordered by what follows the timeline, the first eight digits.
fn segment(name: &str) -> &str {
    name.get(8..24).unwrap_or(name)
}

fn prune_wal(path: &Path, first: &str) -> Result<usize, Failure> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(broken(path, &error)),
    };
    let mut removed = 0;
    for entry in entries {
        let file = entry.map_err(|error| broken(path, &error))?.path();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // History files are small, and a later recovery may ask for them.
        let is_segment = name.len() >= 24 && name[..24].bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_segment && segment(name) < segment(first) {
            fs::remove_file(&file).map_err(|error| broken(&file, &error))?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Folder, kind: Kind, at: DateTime<Utc>, first_wal: &str) -> String {
        folder.make(kind).unwrap();
        let name = Folder::name_for(at);
        fs::create_dir_all(folder.backup(kind, &name)).unwrap();
        let manifest = Manifest {
            name: name.clone(),
            kind,
            taken_at: at,
            epoch: 1,
            head: 1,
            marks: vec![],
            keys: 0,
            bytes: 0,
            first_wal: first_wal.to_owned(),
            proven_at: None,
        };
        manifest.write(&folder.manifest(kind, &name)).unwrap();
        name
    }

    #[test]
    fn the_old_goes_and_what_a_kept_backup_needs_stays() {
        let root = std::env::temp_dir().join(format!("wg-prune-{}", uuid::Uuid::new_v4()));
        let folder = Folder::at(root.clone());
        let now = Utc::now();
        let days = |days: i64| now - chrono::Duration::days(days);
        let keep = Duration::from_secs(30 * 86_400);
        let old = put(&folder, Kind::Log, days(40), "000000010000000000000002");
        let young = put(&folder, Kind::Log, days(20), "000000020000000000000005");
        put(&folder, Kind::Log, days(1), "000000020000000000000009");
        let keys = put(&folder, Kind::Keys, days(8), "");
        put(&folder, Kind::Keys, days(6), "");
        fs::create_dir_all(folder.wal()).unwrap();
        for name in ["000000010000000000000004.gz", "000000010000000000000005.gz", "00000002.history"] {
            fs::write(folder.wal().join(name), "").unwrap();
        }
        // Asking for more does not keep keys longer.
        let pruned = prune(&folder, now, keep, keep).unwrap();
        assert_eq!((pruned.log, pruned.keys, pruned.wal_segments), (vec![old], vec![keys], 1));
        assert_eq!((pruned.kept_log, pruned.kept_keys), (2, 1));
        assert!(folder.backup(Kind::Log, &young).exists());
        assert!(folder.wal().join("000000010000000000000005.gz").exists());
        assert!(folder.wal().join("00000002.history").exists());
        // The newest stays, however old it is.
        let later = prune(&folder, now + chrono::Duration::days(100), keep, keep).unwrap();
        assert_eq!((later.kept_log, later.kept_keys), (1, 0));
        fs::remove_dir_all(root).unwrap();
    }
}
