//! As whom Postgres runs: it refuses to be root.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::settings::Lifetime;

/// Set to anything to use a system user even where user namespaces work (tests do).
const NO_NAMESPACES: &str = "EMBEDDED_NO_USERNS";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunAs {
    /// We are not root: everything simply runs as we do.
    Ourselves,
    /// We are root: in a user namespace where our files belong to this id, which exists in
    /// /etc/passwd (initdb asks for its name). On disk they stay root's.
    Namespace { uid: u32, gid: u32 },
    /// We are root and namespaces are forbidden: the files are given to this system user.
    SystemUser { name: String, uid: u32, gid: u32 },
}

impl RunAs {
    /// Decides for Postgres. Tries the namespace for real: whether it is allowed depends on
    /// sysctls, chroots, containers and security modules.
    pub fn for_postgres() -> Result<RunAs, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(RunAs::Ourselves);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let users: Vec<(&str, u32, u32)> = users.lines().filter_map(parse_user).collect();
        let named = |name| users.iter().find(|user| user.0 == name);
        if std::env::var_os(NO_NAMESPACES).is_none()
            && let Some((_, uid, gid)) = users.iter().find(|user| user.1 != 0 && user.2 != 0)
        {
            let namespace = RunAs::Namespace { uid: *uid, gid: *gid };
            let tried = namespace.command(OsStr::new("true"), false).stderr(Stdio::null()).status();
            if tried.is_ok_and(|status| status.success()) {
                return Ok(namespace);
            }
        }
        let Some((name, uid, gid)) = named("postgres").or_else(|| named("nobody")) else {
            let reason = "neither a user namespace nor a user `postgres` or `nobody` is there";
            return Err(Error::Root { reason: reason.to_owned() });
        };
        Ok(RunAs::SystemUser { name: (*name).to_owned(), uid: *uid, gid: *gid })
    }

    /// A command that becomes `program` under the same pid (each wrapper execs the next).
    /// With `dies_with_us` the kernel kills it when the thread that spawned it ends.
    pub fn command(&self, program: &OsStr, dies_with_us: bool) -> Command {
        let mut words: Vec<String> = Vec::new();
        let mut setpriv: Vec<String> = Vec::new();
        match self {
            RunAs::Ourselves => {}
            RunAs::Namespace { uid, gid } => {
                words.extend(["unshare".to_owned(), "--user".to_owned()]);
                words.extend([format!("--map-user={uid}"), format!("--map-group={gid}"), "--".to_owned()]);
            }
            RunAs::SystemUser { uid, gid, .. } => {
                setpriv.extend([format!("--reuid={uid}"), format!("--regid={gid}")]);
                setpriv.push("--clear-groups".to_owned());
            }
        }
        // After the namespace: becoming another user clears the signal.
        if dies_with_us {
            setpriv.push("--pdeathsig=KILL".to_owned());
        }
        if !setpriv.is_empty() {
            words.push("setpriv".to_owned());
            words.append(&mut setpriv);
            words.push("--".to_owned());
        }
        let mut words = words.into_iter();
        match words.next() {
            None => Command::new(program),
            Some(first) => {
                let mut command = Command::new(first);
                command.args(words).arg(program);
                command
            }
        }
    }

    /// The same for a server, which lives as long as its cluster says.
    pub fn server(&self, program: &OsStr, lifetime: Lifetime) -> Command {
        self.command(program, lifetime == Lifetime::Tests)
    }

    /// Gives a folder and everything in it to whom the server runs as. Does nothing when
    /// the folder already is his (a data folder can move between machines that allow
    /// namespaces and machines that do not).
    pub fn give(&self, path: &Path) -> Result<(), Error> {
        let (uid, gid) = match self {
            RunAs::Ourselves => return Ok(()),
            RunAs::Namespace { .. } => (0, 0),
            RunAs::SystemUser { uid, gid, .. } => (*uid, *gid),
        };
        let owned = fs::symlink_metadata(path).map(|found| found.uid() == uid);
        let given = owned.and_then(|owned| if owned { Ok(()) } else { give_all(path, uid, gid) });
        given.map_err(Error::io(format!("give {} to user {uid}", path.display())))
    }

    /// A system user must be able to walk to the data. Lets him through the data folder
    /// itself, which is ours; the folders above are not ours to open.
    pub fn let_through(&self, data_dir: &Path) -> Result<(), Error> {
        let RunAs::SystemUser { name, .. } = self else { return Ok(()) };
        fs::set_permissions(data_dir, fs::Permissions::from_mode(0o711))
            .map_err(|source| Error::NotWritable { path: data_dir.to_owned(), source })?;
        let reached = self.command(OsStr::new("test"), false).arg("-x").arg(data_dir).status();
        if reached.is_ok_and(|status| status.success()) {
            return Ok(());
        }
        let reason =
            format!("user namespaces are forbidden here and user {name} cannot reach {}", data_dir.display());
        Err(Error::Root { reason })
    }
}

fn give_all(path: &Path, uid: u32, gid: u32) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give_all(&entry?.path(), uid, gid)?;
        }
    }
    // The folder itself last: a run that was interrupted starts over.
    lchown(path, Some(uid), Some(gid))
}

/// `name:x:uid:gid:…`
fn parse_user(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    Some((name, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> String {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn wrappers_come_in_the_order_in_which_they_must_apply() {
        let program = OsStr::new("postgres");
        assert_eq!(words(&RunAs::Ourselves.command(program, false)), "postgres");
        assert_eq!(
            words(&RunAs::Namespace { uid: 1, gid: 2 }.command(program, true)),
            "unshare --user --map-user=1 --map-group=2 -- setpriv --pdeathsig=KILL -- postgres"
        );
        assert_eq!(
            words(&RunAs::SystemUser { name: "p".into(), uid: 7, gid: 8 }.command(program, true)),
            "setpriv --reuid=7 --regid=8 --clear-groups --pdeathsig=KILL -- postgres"
        );
    }

    #[test]
    fn users_are_read_from_passwd_lines() {
        assert_eq!(
            parse_user("postgres:x:104:110:PostgreSQL:/var/lib:/bin/bash"),
            Some(("postgres", 104, 110))
        );
        assert_eq!(parse_user("broken"), None);
    }
}
