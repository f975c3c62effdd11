//! A file with 32 secret bytes, made once, mode 0600.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use rand::{TryRng, rngs::SysRng};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Reads it; makes it when it is missing. Of several at once one makes it and all use the same.
pub(crate) fn read_or_make(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    match read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(path)?;
            read(path)
        }
        other => other,
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    let text = Zeroizing::new(fs::read_to_string(path)?);
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), bytes.as_mut())
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it does not hold 64 hex digits"))?;
    Ok(bytes)
}

fn make(path: &Path) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0; 32]);
    SysRng.try_fill_bytes(bytes.as_mut()).map_err(|_| io::Error::other("no random bytes"))?;
    let text = Zeroizing::new(format!("{}\n", hex::encode(bytes.as_ref())));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = folder.join(format!(".draft-{}", Uuid::new_v4().simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // The name appears with the whole content or not at all.
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}
