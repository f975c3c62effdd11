//! What people see while a command works: bars on a terminal, plain lines elsewhere, all of it on
//! standard error; and how numbers are written.

mod bar;
mod screen;
mod words;

pub use bar::Bar;
pub use screen::Screen;
pub use words::{age, bytes, count, counted, span};
