use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::help;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show log, epoch, stream, outbox and every read model: where they stand and what is wrong.
    #[command(after_help = help::STATUS)]
    Status,
    /// Compare read models with a fold of the log from its beginning.
    #[command(after_help = help::VERIFY)]
    Verify {
        /// Read models to compare; all of them when absent.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Build read models anew from the log while the present ones serve, then switch.
    #[command(after_help = help::REBUILD)]
    Rebuild(RebuildArguments),
    /// Go back to the generation of a read model that was live before the last rebuild.
    #[command(after_help = help::ROLLBACK)]
    Rollback {
        /// The read model.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Compare the stream in NATS with the log, or publish it anew.
    #[command(subcommand)]
    Stream(StreamCommand),
    /// Events that could not be applied to a read model: list, try again, skip.
    #[command(subcommand)]
    Parked(ParkedCommand),
    /// Which server the log belongs to, and the decision after a failover.
    #[command(subcommand)]
    Epoch(EpochCommand),
    /// Taken e-mail addresses and counted quotas, restored from the log.
    #[command(subcommand)]
    Reservations(ReservationsCommand),
}

#[derive(Debug, Args)]
pub struct RebuildArguments {
    /// Read models to rebuild.
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub names: Vec<String>,
    /// All of them, with one scan of the log.
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
}

#[derive(Debug, Subcommand)]
pub enum StreamCommand {
    /// Compare every message with the log's event at that position.
    #[command(after_help = help::STREAM_VERIFY)]
    Verify {
        /// First position to compare.
        #[arg(long, value_name = "POSITION", default_value_t = 1)]
        from: i64,
        /// Last position to compare; the head when absent.
        #[arg(long, value_name = "POSITION")]
        to: Option<i64>,
    },
    /// Throw the stream away and publish it again from the log.
    #[command(after_help = help::STREAM_REBUILD)]
    Rebuild,
    /// Bring back events that the stream holds and a promoted server has lost.
    #[command(after_help = help::STREAM_SALVAGE)]
    Salvage(SalvageArguments),
}

#[derive(Debug, Args)]
pub struct SalvageArguments {
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Folder for what cannot go back into the log [default: $DATA_DIR/salvage].
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum ParkedCommand {
    /// Show parked events, and those that queue behind them.
    #[command(after_help = help::PARKED_LIST)]
    List {
        /// Only this read model.
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Rebuild parked keys from the log.
    #[command(after_help = help::PARKED_RETRY)]
    Retry {
        /// The read model.
        #[arg(value_name = "NAME")]
        name: String,
        /// Only this key; may be given several times.
        #[arg(long = "key", value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Decide that one event has no effect on one key.
    #[command(after_help = help::PARKED_SKIP)]
    Skip {
        /// The read model.
        #[arg(value_name = "NAME")]
        name: String,
        /// The parked key, as `parked list` shows it.
        #[arg(value_name = "KEY")]
        key: String,
        /// Position of the event.
        #[arg(value_name = "POSITION")]
        position: i64,
        /// Why; kept for ever, so nothing personal.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum EpochCommand {
    /// Say which server the log belongs to and whether this one may be written to.
    #[command(after_help = help::EPOCH_STATUS)]
    Status,
    /// Let the log go on on this server, after a failover or a restore.
    #[command(after_help = help::EPOCH_ADVANCE)]
    Advance(AdvanceArguments),
}

#[derive(Debug, Args)]
pub struct AdvanceArguments {
    /// Why; kept in the log's history and in the checkpoint file, so nothing personal.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Give up events that this log has lost.
    #[arg(long)]
    pub accept_loss: bool,
    /// Begin a new epoch although the server has not changed.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Subcommand)]
pub enum ReservationsCommand {
    /// Restore taken e-mail addresses and guests' node counts from the log.
    #[command(after_help = help::RESERVATIONS_REBUILD)]
    Rebuild {
        /// Compare only, change nothing.
        #[arg(long)]
        check: bool,
    },
}
