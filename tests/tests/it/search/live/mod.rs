//! The engines as they are: on real servers, where their programs are installed. Elsewhere each of
//! these says `SKIPPED live:` and why. `scripts/live-search.sh` runs them and writes down what ran.

mod answers;
mod failing;
mod operating;
mod server;
