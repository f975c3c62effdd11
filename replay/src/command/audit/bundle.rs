use std::{fs, io::Write, os::unix::fs::MetadataExt, path::Path};

use eventstore::audit::{self, Access, Bundle, note::PublicKey, record_access, store::audit_keys};
use serde::Serialize;

use super::{super::Context, event};
use crate::{Answer, Failure, terminal::count};

#[derive(Serialize)]
struct Written {
    file: String,
    position: i64,
    size: u64,
}

pub async fn run(
    context: Context<'_>,
    event: &str,
    output: Option<&Path>,
    reason: &str,
) -> Result<Answer, Failure> {
    let pool = context.servers.owner();
    let position = event::position(pool, event).await?;
    let keys: Vec<PublicKey> = audit_keys(pool).await?.into_iter().map(|row| row.key).collect();
    // Before anything is shown; on a standby it cannot be written down, and is not shown.
    let who = format!("operator:{}", login());
    let what = format!("position={position}");
    let access = Access { who: &who, action: "audit.bundle", subject: None, what: &what, why: reason };
    record_access(pool, &access).await?;
    let bundle = audit::bundle(pool, position, &keys).await?;
    let text = serde_json::to_string_pretty(&bundle).map_err(Failure::could_not_run)?;
    let Some(path) = output else {
        // The file is the answer, and only that.
        return Ok(Answer::new(&bundle).line(text));
    };
    let failed = |error| Failure::could_not_run(format!("{} cannot be written: {error}", path.display()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    writeln!(file, "{text}").map_err(failed)?;
    let size = bundle.proof.size;
    let line = format!("the event at position {} with its proof: {}", count(position), path.display());
    Ok(Answer::new(&Written { file: path.display().to_string(), position, size }).line(line))
}

/// Whoever is logged in here, as the system calls them: what the environment says can be chosen,
/// so the number stands beside it.
fn login() -> String {
    let name = std::env::var("USER").ok().filter(|name| !name.is_empty());
    let uid = fs::metadata("/proc/self").map_or_else(|_| "?".to_owned(), |own| own.uid().to_string());
    format!("{} (uid {uid})", name.unwrap_or_else(|| "?".to_owned()))
}

/// Without any server.
pub fn verify_bundle(path: &Path, keys: &[PublicKey]) -> Result<Answer, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::could_not_run(format!("{} cannot be read: {error}", path.display())))?;
    let refused = |why: &dyn std::fmt::Display| Failure::refused(format!("{}: {why}", path.display()));
    let bundle = Bundle::parse(&text).map_err(|error| refused(&error))?;
    let own = bundle.keys.iter().map(|key| key.parse()).collect::<Result<Vec<PublicKey>, _>>();
    let own = own.map_err(|error| refused(&error))?;
    let shown = bundle.check(if keys.is_empty() { &own } else { keys }).map_err(|error| refused(&error))?;
    let answer = Answer::new(&shown).line(format!("log         {}", shown.origin));
    let mut answer = event::told(answer, &shown.event)
        .line(format!("root        {} over {} positions", shown.root, shown.size))
        .lines(shown.signed_by.iter().map(|key| format!("signed by   {key}")));
    answer = answer.line(if shown.payload_is_as_hashed {
        "payload     is what was signed"
    } else {
        "payload     was redacted: the event is proven, its present content is not"
    });
    if keys.is_empty() {
        answer = answer.line("notice      no key was given with --key: the bundle's own were believed");
    }
    Ok(answer)
}
