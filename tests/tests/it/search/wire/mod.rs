//! What the adapters make of answers that real servers gave: `tests/fixtures/wire`, recorded from
//! Typesense 29.0 and Meilisearch 1.50.0. Each case answers with one recording after the other and
//! looks at what was asked.

mod meilisearch;
mod replayed;
mod typesense;
