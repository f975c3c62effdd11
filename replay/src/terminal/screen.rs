use std::{
    io::{IsTerminal, stderr},
    sync::{Arc, Mutex, PoisonError},
};

use super::Bar;

/// Where progress goes: standard error, never standard output, which belongs to the answer.
#[derive(Clone)]
pub struct Screen {
    /// A person watches: bars may redraw their line.
    live: bool,
    bar: Arc<Mutex<Option<Bar>>>,
}

impl Screen {
    /// With `json` nobody watches, whatever standard error is.
    #[must_use]
    pub fn new(json: bool) -> Self {
        Self { live: !json && stderr().is_terminal(), bar: Arc::default() }
    }

    /// One line about what is going on.
    pub fn note(&self, line: &str) {
        match &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(bar) => bar.above(line),
            None => eprintln!("{line}"),
        }
    }

    /// How far `what` is; begins, moves and ends a bar.
    pub fn progress(&self, what: &str, done: i64, all: i64) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if bar.as_ref().is_none_or(|bar| bar.what() != what) {
            if let Some(old) = bar.take() {
                old.clear();
            }
            *bar = Some(Bar::begin(what, done, self.live));
        }
        if let Some(bar) = &mut *bar {
            bar.to(done, all);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.clear();
        }
    }
}
