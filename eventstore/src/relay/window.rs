use std::collections::VecDeque;

use kernel::Position;
use tokio::time::Instant;

/// What was sent and is not confirmed yet: positions `confirmed + 1 ..= sent`.
#[derive(Debug)]
pub(super) struct Window {
    confirmed: Position,
    sent: Position,
    /// One entry per position in the window: confirmed, out of order.
    known: VecDeque<bool>,
    /// Sent and not answered in any way.
    open: usize,
    /// When an answer last came, or the first message went out.
    last_sign: Instant,
}

impl Window {
    pub fn at(position: Position) -> Self {
        Self {
            confirmed: position,
            sent: position,
            known: VecDeque::new(),
            open: 0,
            last_sign: Instant::now(),
        }
    }

    pub const fn confirmed(&self) -> Position {
        self.confirmed
    }

    pub const fn sent(&self) -> Position {
        self.sent
    }

    pub const fn open(&self) -> usize {
        self.open
    }

    pub fn in_flight(&self) -> usize {
        self.known.len()
    }

    pub const fn last_sign(&self) -> Instant {
        self.last_sign
    }

    pub fn send(&mut self) {
        if self.open == 0 {
            self.last_sign = Instant::now();
        }
        self.sent += 1;
        self.open += 1;
        self.known.push_back(false);
    }

    /// The stream has it. Returns how far the confirmed part moved.
    pub fn confirm(&mut self, position: Position) -> u64 {
        let Some(known) =
            usize::try_from(position - self.confirmed - 1).ok().and_then(|index| self.known.get_mut(index))
        else {
            return 0;
        };
        if !*known {
            *known = true;
            self.open -= 1;
        }
        let mut moved = 0;
        while self.known.front() == Some(&true) {
            self.known.pop_front();
            self.confirmed += 1;
            moved += 1;
        }
        moved
    }

    /// Answered, but not with a place in the stream.
    pub fn refuse(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    pub fn signed(&mut self) {
        self.last_sign = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_out_of_order_confirm_in_order() {
        let mut window = Window::at(10);
        (0..4).for_each(|_| window.send());
        assert_eq!(window.confirm(12), 0);
        assert_eq!(window.confirm(12), 0);
        assert_eq!((window.confirmed(), window.open()), (10, 3));
        assert_eq!(window.confirm(11), 2);
        window.refuse();
        assert_eq!((window.confirmed(), window.sent(), window.open(), window.in_flight()), (12, 14, 1, 2));
        // An answer from before the window says nothing.
        assert_eq!(window.confirm(3), 0);
        assert_eq!(window.confirm(99), 0);
    }
}
