use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use commands::{Answer, Caller, CommandError, CommandRequest, Executor};
use domain::{
    PlatformRoles, Rejection, RejectionKind,
    weave::{
        account::{Account, AccountCommand, AccountCommandKind, PromoteAccount, RegisterAccount},
        values::{Email, Title},
    },
};
use kernel::Clock;
use uuid::Uuid;

use super::BootError;
use crate::{
    auth::{Identity, SigningKey, issue},
    command::parse_id,
    settings::PlaceSettings,
};

/// Renewed at each start.
const TTL: Duration = Duration::from_secs(30 * 86_400);

/// On private servers: an account to begin with, a weaver, and a token with every platform role.
pub(super) async fn prepare(
    place: &PlaceSettings,
    executor: &Executor,
    key: &SigningKey,
    clock: &dyn Clock,
) -> Result<(), BootError> {
    let id = account_id(&place.data_dir.join("dev-account"))?;
    let broken = |rejection: Rejection| BootError::Dev(rejection.to_string());
    let register = AccountCommand::Register(RegisterAccount {
        title: Title::parse("Developer").map_err(broken)?,
        // The address of this very account: another folder's developer is another one.
        email: Email::parse(format!("dev-{}@localhost", id.simple())).map_err(broken)?,
    });
    let promote = AccountCommand::Promote(PromoteAccount { proposal_id: None });
    for (kind, command) in [(AccountCommandKind::Register, register), (AccountCommandKind::Promote, promote)]
    {
        match run(executor, id, kind, command).await {
            // State says no: it was done at an earlier start, or somebody disabled the account.
            Ok(_) | Err(CommandError::Rejected(Rejection { kind: RejectionKind::State, .. })) => {}
            Err(error) => return Err(BootError::Dev(error.to_string())),
        }
    }
    let roles = PlatformRoles { admin: true, auditor: true, operator: true };
    let token = issue(key, Identity { account: id, roles }, clock.now(), TTL);
    let token = token.map_err(|error| BootError::Dev(error.to_string()))?;
    write_private(&place.data_dir.join("dev-token"), &token)
}

async fn run(
    executor: &Executor,
    id: Uuid,
    kind: AccountCommandKind,
    command: AccountCommand,
) -> Result<Answer, CommandError> {
    let request = CommandRequest::begun_by(Caller::System, id);
    executor.execute::<Account>(request, kind.name(), Ok(command)).await
}

/// The same for every start on this folder.
fn account_id(path: &Path) -> Result<Uuid, BootError> {
    match fs::read_to_string(path) {
        Ok(text) => parse_id(text.trim())
            .ok_or_else(|| BootError::Dev(format!("{} does not hold a UUID: delete it", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = Uuid::now_v7();
            write_private(path, &id.to_string())?;
            Ok(id)
        }
        Err(error) => Err(BootError::File { path: path.to_owned(), error }),
    }
}

/// Beside the file and then renamed: a reader sees the old token or the new one.
fn write_private(path: &Path, text: &str) -> Result<(), BootError> {
    let draft: PathBuf = path.with_extension(format!("{}.tmp", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        io::Write::write_all(&mut file, format!("{text}\n").as_bytes())?;
        fs::rename(&draft, path)
    };
    write().map_err(|error| {
        // The draft may be half written; nobody reads it.
        let _ = fs::remove_file(&draft);
        BootError::File { path: path.to_owned(), error }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_developers_account_stays_the_same_and_its_file_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev-account");
        let id = account_id(&path).unwrap();
        assert_eq!(account_id(&path).unwrap(), id);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "hello").unwrap();
        assert!(account_id(&path).is_err());
    }
}
