//! Keys, and what is done with a person's data.

pub const KEYS_ROTATE: &str = concat!(
    "\
For KEK_FILE; a key in the variable KEK is exchanged by whoever set it. Processes go on reading and
making keys meanwhile. Interrupted, the same command goes on. The old key stays beside the new one as
`.previous.<id>`, because older backups of the key store open with it, until --destroy-old.

Examples:
  replay keys rotate
  replay keys rotate --destroy-old      what was forgotten before is gone from every backup at once
",
    exit_codes!("refused by a rule")
);

pub const KEYS_LIST: &str = concat!(
    "\
Examples:
  replay keys list
",
    exit_codes!("keys are wrapped under another key-encryption key than the one that holds")
);

pub const FORGET: &str = concat!(
    "\
Asks for it in the log, then works on it until the certificate is there, together with whatever `api`
is running. Interrupted or out of patience, the request stays and is worked on by `api`, or by the same
command. Final: there is no way back. A legal hold makes it wait.

Examples:
  replay forget 01920000-0000-7000-8000-00000000000a --dry-run
  replay forget 01920000-0000-7000-8000-00000000000a --reason \"letter of 3 May\"
  replay forget 01920000-0000-7000-8000-00000000000a --keep-content --reason \"letter of 3 May\"
  replay forget verify certificate.json --key data/keys/certificate.pub
",
    exit_codes!("not erased yet, and why; a hold; a certificate that is wrong")
);

pub const FORGET_VERIFY: &str = concat!(
    "\
Needs no server. Without --key it only says that the certificate is whole, not whose it is.

Examples:
  replay forget verify certificate.json --key data/keys/certificate.pub
",
    exit_codes!("the certificate is wrong")
);

pub const FORGET_REAPPLY: &str = concat!(
    "\
After a restore of the log or of the key store, before anybody is served. `api` does the same at each
start; this says what it did.

Examples:
  replay forget reapply
",
    exit_codes!("somebody is under a legal hold")
);

pub const HOLD: &str = concat!(
    "\
A held person's data cannot be destroyed by anybody; a request to forget waits. `replay release` ends it.

Examples:
  replay hold 01920000-0000-7000-8000-00000000000a --reason \"court order 4711\"
",
    exit_codes!("refused by a rule")
);

pub const RELEASE: &str = concat!(
    "\
A request that waited goes on.

Examples:
  replay release 01920000-0000-7000-8000-00000000000a --reason \"order lifted\"
",
    exit_codes!("there is no hold")
);

pub const SCAN: &str = concat!(
    "\
Reads every byte below DATA_DIR and every row of both databases: tables, WAL, stream, Redis, engines,
logs, exports, backups. A number is looked for as text and as a float in both byte orders. Where servers
run elsewhere, run it there, or name their folders with --scan-folders.

Examples:
  replay scan --canary canaries.txt
",
    exit_codes!("found, or not readable everywhere")
);

pub const EXPORT: &str = concat!(
    "\
Everything a person may ask for: events of the account and what the person did, in clear, with a signed
manifest. Give the file to nobody else.

Examples:
  replay export 01920000-0000-7000-8000-00000000000a --to ada.json
",
    exit_codes!("there is no such account")
);

pub const RETENTION: &str = concat!(
    "\
By the table retention_rules; no period is set until a community sets one:
  update retention_rules set keep_years = 3 where class = 'content'

Examples:
  replay retention run --dry-run
  replay retention run
",
    exit_codes!("refused by a rule")
);
