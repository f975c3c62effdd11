use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use eventstore::generation::Progress;

use crate::terminal::{Screen, age, count};

/// A wait is told at once and then this often.
const REPEAT: Duration = Duration::from_secs(10);

/// Turns what a rebuild or a verification reports into what a person sees.
pub struct Watching<'a> {
    screen: &'a Screen,
    what: &'static str,
    waited: Mutex<Option<Instant>>,
}

impl<'a> Watching<'a> {
    pub const fn new(screen: &'a Screen, what: &'static str) -> Self {
        Self { screen, what, waited: Mutex::new(None) }
    }

    pub fn tell(&self, progress: Progress) {
        match progress {
            Progress::Filling { position, head, .. } => self.screen.progress(self.what, position, head),
            Progress::Indexing { projection, number, of } => {
                self.screen.note(&format!("{projection}: making index {number} of {of}"));
            }
            Progress::Checking { projection } => {
                self.screen.note(&format!("{projection}: comparing the new generation with the log"));
            }
            Progress::Comparing { projection, position } => {
                self.screen.note(&format!("{projection}: comparing rows at position {}", count(position)));
            }
            Progress::Switched { projection, generation, position } => self.screen.note(&format!(
                "{projection}: generation {generation} is live at position {}",
                count(position)
            )),
            Progress::WaitingForSnapshot { pid, seconds } => self.wait(&format!(
                "waiting for database process {pid}, which reads in a transaction of {}; \
                 end it with `select pg_terminate_backend({pid})` if it never ends",
                age(seconds)
            )),
            Progress::WaitingForReaders { projection } => {
                self.wait(&format!("{projection}: waiting for a moment without readers"));
            }
        }
    }

    pub fn waiting(&self, line: &str) {
        self.wait(line);
    }

    fn wait(&self, line: &str) {
        let mut waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner);
        if waited.is_none_or(|at| at.elapsed() >= REPEAT) {
            self.screen.note(line);
            *waited = Some(Instant::now());
        }
    }
}
