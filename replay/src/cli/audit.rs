use std::path::PathBuf;

use clap::{Args, Subcommand};
use eventstore::audit::note::PublicKey;

use super::{help::exit_codes, units::Span};

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Compare every event with what was signed, and the checkpoints with those outside.
    #[command(after_help = VERIFY)]
    Verify {
        /// File with a checkpoint that was believed before: only what came after it is read.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        #[command(flatten)]
        place: AuditPlace,
    },
    /// Print the newest checkpoint, to keep it.
    #[command(after_help = CHECKPOINT)]
    Checkpoint,
    /// Prove that an event is in the log that the newest checkpoint was signed for.
    #[command(after_help = PROVE)]
    Prove {
        /// The event's position or id.
        #[arg(value_name = "EVENT")]
        event: String,
    },
    /// Prove that the log goes on where an older checkpoint ended.
    #[command(after_help = CONSISTENCY)]
    Consistency {
        /// A file with a checkpoint, or a number of positions.
        #[arg(value_name = "OLD")]
        old: String,
        /// A file with a checkpoint, a number of positions, or `newest`.
        #[arg(value_name = "NEW", default_value = "newest")]
        new: String,
        #[command(flatten)]
        place: AuditPlace,
    },
    /// Write an event with its proof, to be checked anywhere.
    #[command(after_help = BUNDLE)]
    Bundle {
        /// The event's position or id.
        #[arg(value_name = "EVENT")]
        event: String,
        /// File to write; must not exist. Standard output when absent.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Why; kept in the access log, so nothing personal.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Check a bundle. Needs no server and no network.
    #[command(after_help = VERIFY_BUNDLE)]
    VerifyBundle {
        /// The file that `bundle` wrote.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A key one knows from elsewhere; without any, the bundle's own are believed.
        #[arg(long = "key", value_name = "KEY")]
        keys: Vec<PublicKey>,
    },
    /// Prove events at random against the newest checkpoint.
    #[command(after_help = SCAN)]
    Scan {
        /// How many.
        #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
        sample: u64,
        #[command(flatten)]
        place: AuditPlace,
    },
    /// The keys that checkpoints are signed with: list, change.
    #[command(subcommand)]
    Keys(AuditKeysCommand),
}

#[derive(Debug, Subcommand)]
pub enum AuditKeysCommand {
    /// Show every key there was, in the form `--key` takes.
    #[command(after_help = KEYS_LIST)]
    List,
    /// Make a new key; the present ones go on signing for a while.
    #[command(after_help = KEYS_ROTATE)]
    Rotate {
        /// How long both sign.
        #[arg(long, value_name = "SPAN", default_value = "14d")]
        overlap: Span,
        #[command(flatten)]
        place: AuditPlace,
    },
}

/// What an auditor brings along.
#[derive(Debug, Clone, Args)]
pub struct AuditPlace {
    /// File with the checkpoints outside the database [default: $DATA_DIR/audit/checkpoints].
    #[arg(long, env = "AUDIT_CHECKPOINT_FILE", value_name = "FILE")]
    pub audit_checkpoint_file: Option<PathBuf>,
    /// A key one knows; may be given several times. Without any, the log's first one is believed.
    #[arg(long = "key", value_name = "KEY")]
    pub keys: Vec<PublicKey>,
}

const VERIFY: &str = concat!(
    "\
Reads every event and compares it with its hash in the stored tree, the tree with the signed
checkpoints, and those with the checkpoints outside the database. Says which positions are covered,
by which root and key, and where the first difference is. Reads only; commands go on.

Examples:
  replay audit verify
  replay audit verify --from trusted.note --key 'weltgewebe/…+1a2b3c4d+AY…'
  replay audit verify --audit-checkpoint-file /mnt/auditor/checkpoints --json",
    exit_codes!("something differs, or the given checkpoint is none of this log")
);

const CHECKPOINT: &str = concat!(
    "\
A signed note: name of the log, positions covered, root, signatures. Keep it where nobody who
administers the log can change it; later, `verify --from` and `consistency` compare with it.

Example:
  replay audit checkpoint > trusted.note",
    exit_codes!("nothing was signed yet")
);

const PROVE: &str = concat!(
    "\
The proof is the path from the event's hash to the root that was signed.

Examples:
  replay audit prove 4711
  replay audit prove 01920000-0000-7000-8000-000000000001 --json > proof.json",
    exit_codes!("not sealed yet, or not the event that was sealed")
);

const CONSISTENCY: &str = concat!(
    "\
Whoever has kept a checkpoint sees whether what it covers is still the beginning of the log.

Examples:
  replay audit consistency trusted.note
  replay audit consistency 1000 2000",
    exit_codes!("the log does not go on from there")
);

const BUNDLE: &str = concat!(
    "\
Holds the event as it is stored (personal fields sealed), proof, checkpoint and public keys. That it
was taken is written to the access log, with the login name and the reason.

Example:
  replay audit bundle 4711 --output event-4711.json --reason \"complaint 12\"",
    exit_codes!("not sealed yet, or not the event that was sealed")
);

const VERIFY_BUNDLE: &str = concat!(
    "\
Checks signature, path and content. A key that comes with the bundle shows only that the bundle
agrees with itself: compare it with the one you know, or name that one with --key.

Example:
  replay audit verify-bundle event-4711.json --key 'weltgewebe/…+1a2b3c4d+AY…'",
    exit_codes!("the bundle does not show what it says")
);

const SCAN: &str = concat!(
    "\
Quicker than `verify`, which reads everything. Payloads are not compared with their hashes.

Example:
  replay audit scan --sample 3000",
    exit_codes!("something differs")
);

const KEYS_LIST: &str = concat!(
    "\
Compare them with the ones you were given: `--key` believes only what you name.

Example:
  replay audit keys list",
    exit_codes!("not used")
);

const KEYS_ROTATE: &str = concat!(
    "\
Makes a key file in $DATA_DIR/keys/audit, on the machine where the sealer runs. Old and new sign
the change, in the checkpoint file, and every checkpoint meanwhile: who knows only the old one is not left
behind. Every sealer needs the new file.

Example:
  replay audit keys rotate --overlap 30d",
    exit_codes!("no key has signed yet")
);
