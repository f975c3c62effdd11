//! docs/audit.md, line by line, against a fresh start with private servers.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    readme::matches,
    runbooks::{Shell, blocks},
    support::binary,
};

#[test]
fn every_command_of_the_walkthrough_prints_what_it_says() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/audit.md")).unwrap();
    let blocks = blocks(&text);
    assert!(blocks.iter().map(|block| block.commands.len()).sum::<usize>() >= 20, "the walkthrough is gone");
    assert!(blocks.iter().all(|block| !block.expected.is_empty()), "what is expected?");
    let scratch = tempfile::Builder::new().prefix("wg-it-audit-").tempdir().unwrap();
    let data = scratch.path().join("data");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let programs = binary("api").parent().unwrap().to_path_buf();
    let mut api = Command::new(binary("api"))
        .arg("serve")
        .env_remove("DATABASE_URL")
        .env("DATA_DIR", &data)
        .env("PORT", &port)
        .env("LOG", "error")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ready = BufReader::new(api.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("ready: "));
    assert_eq!(ready, Some(format!("ready: http://127.0.0.1:{port}")));
    let mut shell = Shell::open(&data, &programs);
    let mut failed = vec![];
    for block in &blocks {
        let mut printed = String::new();
        for command in &block.commands {
            let here = command.replace("localhost:8080", &format!("127.0.0.1:{port}"));
            let (command, wanted) = match here.rsplit_once(" # exits ") {
                Some((command, code)) => (command.to_owned(), code.trim().parse().unwrap()),
                None => (here, 0),
            };
            let (said, code) = shell.run(&command);
            if code != wanted {
                failed.push(format!("{command}\n  ended with {code}, not {wanted}: {said}"));
            }
            if !said.is_empty() {
                printed.push_str(&said);
                printed.push('\n');
            }
        }
        if !matches(printed.trim_end(), &block.expected) {
            failed.push(format!("{:?}\n  said: {printed}\n  text: {}", block.commands, block.expected));
        }
    }
    shell.end();
    let _ = Command::new("kill").arg(api.id().to_string()).status();
    let _ = api.wait();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
