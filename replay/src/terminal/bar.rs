use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{count, span};

/// Without a terminal a line is printed at most this often.
const LINE_EVERY: Duration = Duration::from_secs(2);
/// The rate is an average since the beginning; before this it says nothing.
const SETTLED: Duration = Duration::from_millis(500);

/// Progress of one thing: a bar that redraws itself on a terminal, lines elsewhere.
pub struct Bar {
    what: String,
    began: Instant,
    from: i64,
    drawn: Option<ProgressBar>,
    told: Option<Instant>,
}

impl Bar {
    pub fn begin(what: &str, from: i64, live: bool) -> Self {
        let drawn = live.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            // The template is a constant of ours; were it wrong, the default style is shown.
            if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(what.to_owned());
            bar
        });
        Self { what: what.to_owned(), began: Instant::now(), from, drawn, told: None }
    }

    pub fn what(&self) -> &str {
        &self.what
    }

    pub fn to(&mut self, done: i64, all: i64) {
        let message = message(done - self.from, done, all, self.began.elapsed());
        match &self.drawn {
            Some(bar) => {
                bar.set_length(all.max(1).unsigned_abs());
                bar.set_position(done.clamp(0, all.max(0)).unsigned_abs());
                bar.set_message(message);
            }
            None if self.told.is_none_or(|at| at.elapsed() >= LINE_EVERY) => {
                eprintln!("{}: {message}", self.what);
                self.told = Some(Instant::now());
            }
            None => {}
        }
    }

    pub fn above(&self, line: &str) {
        match &self.drawn {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    pub fn clear(self) {
        if let Some(bar) = self.drawn {
            bar.finish_and_clear();
        }
    }
}

/// `40,000 of 150,000 (26 %), 98,000/s, 1 s left`
fn message(moved: i64, done: i64, all: i64, elapsed: Duration) -> String {
    let share = if all > 0 { done.max(0).saturating_mul(100) / all } else { 100 };
    let mut text = format!("{} of {} ({share} %)", count(done), count(all));
    if elapsed >= SETTLED && moved > 0 {
        let rate = moved as f64 / elapsed.as_secs_f64();
        let left = Duration::try_from_secs_f64((all - done).max(0) as f64 / rate).unwrap_or_default();
        text.push_str(&format!(", {}/s, {} left", count(rate as i64), span(left)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_share_rate_and_time_left() {
        let second = Duration::from_secs(1);
        assert_eq!(message(40_000, 40_000, 160_000, second), "40,000 of 160,000 (25 %), 40,000/s, 3 s left");
        assert_eq!(message(5, 5, 10, Duration::from_millis(1)), "5 of 10 (50 %)");
        assert_eq!(message(0, 0, 0, second), "0 of 0 (100 %)");
    }
}
