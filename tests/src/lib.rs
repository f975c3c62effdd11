//! Nothing here: the integration tests are one binary, see `tests/it/main.rs`.
