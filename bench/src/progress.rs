use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on a terminal, plain lines otherwise.
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
}

impl Progress {
    /// `steps` of unknown but similar length.
    #[must_use]
    pub fn steps(title: &str, steps: usize) -> Self {
        Self::new(title, steps as u64, "{prefix:>8} [{wide_bar}] {pos}/{len} {eta:>4} left  {msg}")
    }

    /// Many things of one kind; shows the rate.
    #[must_use]
    pub fn many(title: &str, things: u64) -> Self {
        Self::new(title, things, "{prefix:>8} [{wide_bar}] {pos}/{len} {per_sec} {eta:>4} left  {msg}")
    }

    fn new(title: &str, length: u64, template: &str) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let bar = if plain { ProgressBar::hidden() } else { ProgressBar::new(length) };
        bar.set_length(length);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(title.to_owned());
        Self { bar, plain }
    }

    /// What happens now.
    pub fn now(&self, text: &str) {
        if self.plain {
            eprintln!("{}: {text}", self.bar.prefix());
        }
        self.bar.set_message(text.to_owned());
    }

    pub fn advance(&self, by: u64) {
        let before = self.bar.position();
        self.bar.inc(by);
        // Without a terminal: a line at every tenth, so that a log stays readable.
        let tenth = |position: u64| position * 10 / self.bar.length().unwrap_or(1).max(1);
        if self.plain && by > 0 && tenth(before) < tenth(before + by) {
            let (position, length) = (self.bar.position(), self.bar.length().unwrap_or(0));
            let rate = position as f64 / self.bar.elapsed().as_secs_f64().max(0.001);
            eprintln!("{}: {position} of {length}, {rate:.0}/s", self.bar.prefix());
        }
    }

    /// One line that stays.
    pub fn say(&self, text: &str) {
        if self.plain {
            eprintln!("{}: {text}", self.bar.prefix());
        } else {
            self.bar.println(text);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
