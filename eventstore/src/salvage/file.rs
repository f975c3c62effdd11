use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::Position;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Content, SalvageError, Surplus, SurplusMessage, tail::Tail};
use crate::stream::StreamClient;

/// Where a surplus was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub path: PathBuf,
    pub events: i64,
    /// Sequences that brought no event.
    pub unusable: i64,
    /// An earlier call wrote it; the file was left as it is.
    pub before: bool,
}

/// Writes the surplus from `from` on to a new file in `folder`, readable by its owner only: one line
/// about where it comes from, then one JSON document per sequence, with the event as it was
/// published (personal fields sealed). One that an earlier call wrote is left as it is.
///
/// # Errors
/// [`SalvageError::File`]; a file that was begun is taken away again.
pub async fn write_file(
    client: &StreamClient,
    surplus: &Surplus,
    from: Position,
    folder: &Path,
    progress: &(dyn Fn(i64, i64) + Sync),
    stop: &CancellationToken,
) -> Result<Written, SalvageError> {
    let rest = Surplus { from, ..surplus.clone() };
    let path = final_path(folder, &rest);
    if path.exists() {
        return Ok(Written { path, events: 0, unusable: 0, before: true });
    }
    let unfinished = path.with_extension("jsonl.part");
    let file = create(folder, &unfinished).map_err(failed(folder))?;
    let written = fill(client, &rest, file, &path, progress, stop).await;
    let kept = written.and_then(|written| {
        fs::rename(&unfinished, &path)
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(failed(&path))?;
        Ok(written)
    });
    if kept.is_err() {
        // Half a file would be taken for a whole one by somebody.
        let _ = fs::remove_file(&unfinished);
    }
    kept
}

async fn fill(
    client: &StreamClient,
    rest: &Surplus,
    file: File,
    path: &Path,
    progress: &(dyn Fn(i64, i64) + Sync),
    stop: &CancellationToken,
) -> Result<Written, SalvageError> {
    let mut tail = Tail::open(client, rest).await?;
    let mut out = BufWriter::new(file);
    let first = json!({
        "kind": "salvaged-surplus", "stream": rest.stream, "epoch": rest.epoch, "from": rest.from,
        "to": rest.to, "log_head": rest.head, "why": rest.way.to_string(),
    });
    writeln!(out, "{first}").map_err(failed(path))?;
    let mut done = Written { path: path.to_owned(), events: 0, unusable: 0, before: false };
    loop {
        let page = tail.page().await?;
        if page.is_empty() {
            break;
        }
        if stop.is_cancelled() {
            return Err(SalvageError::Interrupted);
        }
        for message in &page {
            match message.content {
                Content::Event(_) => done.events += 1,
                Content::Unusable(_) => done.unusable += 1,
            }
            writeln!(out, "{}", line(message)).map_err(failed(path))?;
        }
        progress(done.events + done.unusable, rest.count());
    }
    let file = out.into_inner().map_err(|error| failed(path)(error.into_error()))?;
    file.sync_all().map_err(failed(path))?;
    Ok(done)
}

fn line(message: &SurplusMessage) -> String {
    match &message.content {
        Content::Event(one) => {
            let salt = one.salt.map(|salt| STANDARD.encode(salt));
            let hash = one.payload_hash.map(|hash| STANDARD.encode(hash));
            json!({"sequence": message.sequence, "event": one.event, "salt": salt, "payload_hash": hash})
                .to_string()
        }
        Content::Unusable(why) => {
            json!({"sequence": message.sequence, "event": null, "why": why.to_string()}).to_string()
        }
    }
}

/// The name says which events; one that is there is complete.
fn final_path(folder: &Path, rest: &Surplus) -> PathBuf {
    folder.join(format!("{}-{}-{}.jsonl", rest.stream, rest.from, rest.to))
}

fn create(folder: &Path, unfinished: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // What a killed predecessor left.
    let _ = fs::remove_file(unfinished);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> SalvageError + use<> {
    let path = path.to_owned();
    move |source| SalvageError::File { path: path.clone(), source }
}
