//! docs/audit.md, line by line, against a fresh start with private servers.

use crate::documents::{Fresh, blocks};

#[test]
fn every_command_of_the_walkthrough_prints_what_it_says() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/audit.md")).unwrap();
    let blocks = blocks(&text);
    assert!(blocks.iter().map(|block| block.commands.len()).sum::<usize>() >= 20, "the walkthrough is gone");
    assert!(blocks.iter().all(|block| !block.expected.is_empty()), "what is expected?");
    let fresh = Fresh::start("wg-it-audit-");
    let mut shell = fresh.shell();
    let mut failed = vec![];
    fresh.follow(&mut shell, "audit", &blocks, &mut failed);
    shell.end();
    fresh.stop();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
