use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::note::SignedNote;

/// How much of the end is read at first; a note has some hundred bytes.
const TAIL: u64 = 64 << 10;

/// The checkpoints outside the database: signed notes with an empty line behind each, only ever
/// added to. Whoever rewrites the database, keys included, does not rewrite this; put it where the
/// database's administrators cannot write.
#[derive(Debug, Clone)]
pub struct CheckpointNotes {
    path: PathBuf,
}

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    pub notes: Vec<SignedNote>,
    /// Pieces that are no notes: cut short by a power loss, or written by somebody else.
    pub torn: usize,
}

impl CheckpointNotes {
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// `audit/checkpoints` in the data folder.
    #[must_use]
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self::at(data_dir.join("audit").join("checkpoints"))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every note, in the order of the file; none when there is no file.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn read(&self) -> io::Result<Notes> {
        self.read_from(0)
    }

    /// The notes at its end, at least as many as `enough` wants to see: it grows by tens of
    /// megabytes a day, and who goes on from its end needs no more than that. What `enough` is
    /// given begins with the oldest of them; the whole file when it never has enough.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn tail(&self, enough: impl Fn(&[SignedNote]) -> bool) -> io::Result<Vec<SignedNote>> {
        let length = match fs::metadata(&self.path) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut bytes = TAIL;
        loop {
            let found = self.read_from(length.saturating_sub(bytes))?.notes;
            if bytes >= length || enough(&found) {
                return Ok(found);
            }
            bytes = bytes.saturating_mul(4);
        }
    }

    /// The last note there is.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn last(&self) -> io::Result<Option<SignedNote>> {
        Ok(self.tail(|notes| !notes.is_empty())?.pop())
    }

    fn read_from(&self, offset: u64) -> io::Result<Notes> {
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            Ok(mut file) => {
                file.seek(SeekFrom::Start(offset))?;
                _ = file.read_to_end(&mut bytes)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(notes(&String::from_utf8_lossy(&bytes)))
    }

    /// Adds notes; they are on disk when this ends.
    ///
    /// # Errors
    /// The folder cannot be made or the file cannot be written.
    pub fn append(&self, notes: &[SignedNote]) -> io::Result<()> {
        if notes.is_empty() {
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file =
            OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(&self.path)?;
        // Two writers at once would tear each other's notes. Released with the file.
        file.lock()?;
        let mut text = String::new();
        if !ends_a_note(&mut file)? {
            text.push_str("\n\n");
        }
        for note in notes {
            text.push_str(&format!("{note}\n"));
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    }
}

/// Whether the next note may begin right here, or somebody was cut off.
fn ends_a_note(file: &mut File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    if length < 2 {
        return Ok(length == 0);
    }
    let mut end = [0; 2];
    file.seek(SeekFrom::End(-2))?;
    file.read_exact(&mut end)?;
    Ok(&end == b"\n\n")
}

fn notes(text: &str) -> Notes {
    let mut found = Notes::default();
    let mut before: Option<&str> = None;
    for piece in text.split("\n\n").map(|piece| piece.trim_matches('\n')).filter(|piece| !piece.is_empty()) {
        let signatures = piece.lines().all(|line| line.starts_with("— "));
        match (before.take(), signatures) {
            (Some(text), true) => match format!("{text}\n\n{piece}\n").parse() {
                Ok(note) => found.notes.push(note),
                Err(_) => found.torn += 1,
            },
            (None, true) => found.torn += 1,
            (None, false) => before = Some(piece),
            (Some(_), false) => {
                found.torn += 1;
                before = Some(piece);
            }
        }
    }
    found.torn += usize::from(before.is_some());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::signer::Signer;

    fn note(number: usize) -> SignedNote {
        let mut note = SignedNote::unsigned(format!("log\n{number}\n"));
        Signer::of_seed("log", 1).sign(&mut note);
        note
    }

    #[test]
    fn notes_are_added_and_found_again() {
        let place = tempfile::tempdir().unwrap();
        let file = CheckpointNotes::in_data_dir(place.path());
        assert_eq!((file.read().unwrap(), file.last().unwrap()), (Notes::default(), None));
        file.append(&[note(1), note(2)]).unwrap();
        file.append(&[note(3)]).unwrap();
        assert_eq!(file.read().unwrap(), Notes { notes: vec![note(1), note(2), note(3)], torn: 0 });
        let many: Vec<_> = (4..1_000).map(note).collect();
        file.append(&many).unwrap();
        assert_eq!(file.last().unwrap(), Some(note(999)));
    }

    #[test]
    fn a_note_that_was_cut_short_anywhere_hides_no_other() {
        let place = tempfile::tempdir().unwrap();
        let (first, second) = (format!("{}\n", note(1)), format!("{}\n", note(2)));
        for cut in 1..second.len() {
            if !second.is_char_boundary(cut) {
                continue;
            }
            let file = CheckpointNotes::at(place.path().join(cut.to_string()));
            fs::write(file.path(), format!("{first}{}", &second[..cut])).unwrap();
            file.append(&[note(3)]).unwrap();
            let read = file.read().unwrap();
            assert_eq!(read.notes.first(), Some(&note(1)), "{cut}");
            assert_eq!(read.notes.last(), Some(&note(3)), "{cut}");
            // Whole but for its last newline, or gone.
            let whole = read.notes.len() == 3 && read.notes[1] == note(2) && read.torn == 0;
            let gone = read.notes.len() == 2 && read.torn > 0;
            // Cut within its signature it may still have the form of a note, which no key confirms.
            let key = Signer::of_seed("log", 1).public().clone();
            let unsigned = read.notes.len() == 3 && read.notes[1].signed_by(&[key]).is_err();
            assert!(whole || gone || unsigned, "{cut}: {read:?}");
        }
    }
}
