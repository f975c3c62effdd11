use lifecycle::scan::{Needles, ScanPlaces, ScanReport, scan_folder, scan_rows};
use serde::Serialize;

use super::Context;
use crate::{
    Answer, Failure,
    cli::ScanArguments,
    interrupt::or_interrupted,
    terminal::{bytes, counted},
};

#[derive(Serialize)]
struct Scanned {
    hits: u64,
    unread: u64,
    /// Too short to be looked for.
    too_short: usize,
    #[serde(flatten)]
    report: ScanReport,
}

pub async fn run(context: Context<'_>, arguments: &ScanArguments) -> Result<Answer, Failure> {
    or_interrupted(context.stop, "nothing was changed", Box::pin(scan(context, arguments))).await
}

async fn scan(context: Context<'_>, arguments: &ScanArguments) -> Result<Answer, Failure> {
    let file = &arguments.canary;
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::could_not_run(format!("{} cannot be read: {error}", file.display())))?;
    let (needles, short) = Needles::canaries(&text);
    if needles.count() == 0 {
        return Err(Failure::could_not_run("the file names nothing of 8 bytes or more"));
    }
    let mut folders = vec![context.servers.data_dir().to_owned()];
    folders.extend(arguments.scan_folders.iter().cloned());
    let places = ScanPlaces { folders, except: vec![file.clone()] };
    context.screen.note("reading every file");
    let (again, _) = Needles::canaries(&text);
    let files = tokio::task::spawn_blocking(move || scan_folder(&again, &places)).await;
    let mut stores = files.map_err(|error| Failure::could_not_run(format!("the scan: {error}")))?;
    context.screen.note("reading every row");
    stores.push(scan_rows(context.servers.owner(), "rows of the log", &needles).await?);
    stores.push(scan_rows(&context.servers.keys_owner()?, "rows of the key store", &needles).await?);
    let report = ScanReport { needles: needles.count() as u64, stores };
    let mut lines = report.trouble();
    lines.extend(report.stores.iter().map(|store| {
        let parts = counted(i64::try_from(store.parts).unwrap_or(i64::MAX), "part", "parts");
        format!("{}: {parts}, {}, {} hits", store.store, bytes(store.bytes), store.hits)
    }));
    if !short.is_empty() {
        lines.push(format!("{} lines are shorter than 8 bytes and were not looked for", short.len()));
    }
    let (hits, unread) = (report.hits(), report.unread());
    Ok(Answer::new(&Scanned { hits, unread, too_short: short.len(), report })
        .lines(lines)
        .fine(hits == 0 && unread == 0))
}
