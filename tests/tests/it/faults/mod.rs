//! What dies, ends or runs out of room, and what is left of it.

mod chaos;
mod clock_jumps;
mod crash_points;
mod disk_full;
mod restart;
