use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io::{self, ErrorKind, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use super::{Needles, ScanPlaces, StoreScan};

const PIECE: usize = 1 << 20;

/// Every file below the folders, by the first part of its path. What vanishes while it is read is
/// no longer there; what cannot be read is told.
///
/// Reads as root or as whoever owns the servers' files; takes as long as reading them takes.
#[must_use]
pub fn scan_folder(needles: &Needles, places: &ScanPlaces) -> Vec<StoreScan> {
    let except: HashSet<(u64, u64)> = places
        .except
        .iter()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| (metadata.dev(), metadata.ino()))
        .collect();
    let mut walk = Walk { needles, except, seen: HashSet::new(), stores: BTreeMap::new(), piece: Vec::new() };
    for folder in &places.folders {
        walk.top(folder);
    }
    walk.stores.into_values().collect()
}

struct Walk<'a> {
    needles: &'a Needles,
    except: HashSet<(u64, u64)>,
    seen: HashSet<(u64, u64)>,
    stores: BTreeMap<String, StoreScan>,
    piece: Vec<u8>,
}

impl Walk<'_> {
    fn top(&mut self, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else {
            let name = folder.display().to_string();
            self.store("files").unread.push(name);
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let store = match is_folder {
                true => entry.file_name().to_string_lossy().into_owned(),
                false => "files".to_owned(),
            };
            self.any(&store, &path);
        }
    }

    fn store(&mut self, name: &str) -> &mut StoreScan {
        self.stores.entry(name.to_owned()).or_insert_with(|| StoreScan::of(name))
    }

    fn any(&mut self, store: &str, path: &Path) {
        // Links are not followed: what they lead to is either below or not ours.
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(_) => return self.store(store).unread.push(path.display().to_string()),
        };
        if metadata.is_dir() {
            match fs::read_dir(path) {
                Ok(entries) => {
                    for entry in entries.flatten() {
                        self.any(store, &entry.path());
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(_) => self.store(store).unread.push(path.display().to_string()),
            }
        } else if metadata.is_file() {
            let id = (metadata.dev(), metadata.ino());
            if self.except.contains(&id) || !self.seen.insert(id) {
                return;
            }
            match self.file(store, path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    self.store(store).unread.push(path.display().to_string());
                }
                _ => {}
            }
        }
    }

    fn file(&mut self, store: &str, path: &Path) -> io::Result<()> {
        let mut file = File::open(path)?;
        let mut piece = std::mem::take(&mut self.piece);
        piece.clear();
        let mut before = 0_u64;
        let (mut bytes, mut offsets) = (0, Vec::new());
        let done = loop {
            let kept = piece.len();
            let read = match io::Read::by_ref(&mut file).take(PIECE as u64).read_to_end(&mut piece) {
                Ok(read) => read,
                Err(error) => break Err(error),
            };
            bytes += read as u64;
            // At the end of the file nothing comes that could complete a value.
            let until =
                if read == 0 { piece.len() } else { piece.len().saturating_sub(self.needles.overlap()) };
            self.needles.search(&piece, until, |offset| offsets.push(before + offset as u64));
            if read == 0 {
                break Ok(());
            }
            debug_assert!(until + self.needles.overlap() >= kept);
            before += until as u64;
            piece.drain(..until);
        };
        self.piece = piece;
        let found = self.store(store);
        found.parts += 1;
        found.bytes += bytes;
        for offset in offsets {
            found.hit(|| format!("{} at byte {offset}", path.display()));
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_across_pieces_once_and_not_in_the_list_itself() {
        let folder = tempfile::tempdir().unwrap();
        let (needles, _) = Needles::canaries("Kanarienvogel\nZwitscherling im Turm");
        let list = folder.path().join("canaries");
        fs::write(&list, "Kanarienvogel").unwrap();
        fs::create_dir(folder.path().join("nats")).unwrap();
        for offset in [0, PIECE - 20, PIECE - 13, PIECE - 7, PIECE, PIECE + 5, 2 * PIECE - 1] {
            let mut bytes = vec![b'.'; offset];
            bytes.extend(b"Kanarienvogel");
            bytes.extend(vec![b'.'; 100]);
            fs::write(folder.path().join("nats/1.blk"), &bytes).unwrap();
            let places = ScanPlaces { folders: vec![folder.path().to_owned()], except: vec![list.clone()] };
            let found = scan_folder(&needles, &places);
            assert_eq!(found.iter().map(|store| store.hits).sum::<u64>(), 1, "{offset}");
            let store = found.iter().find(|store| store.store == "nats").unwrap();
            assert_eq!((store.hits, store.parts, store.bytes), (1, 1, bytes.len() as u64));
            assert!(store.places[0].ends_with(&format!("1.blk at byte {offset}")), "{:?}", store.places);
        }
    }
}
