use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::boot::Progress;

/// Files, connections to servers and the private servers' pipes, beside those of callers.
const OF_OUR_OWN: u64 = 1_024;

/// Raises the number of open files to what that many connections need: the usual bound of 1,024
/// would be reached first, and from there on nobody could connect.
pub(super) fn allow(connections: usize, progress: Progress<'_>) {
    let wanted = connections as u64 + OF_OUR_OWN;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let allowed = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum });
    if raised.is_err() || allowed < wanted {
        progress(&format!(
            "{connections} connections need {wanted} open files, but the system allows {allowed}: raise it \
             (ulimit -n, LimitNOFILE) or lower CONNECTIONS"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_may_be_open_as_connections_need() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(1_024), maximum }).unwrap();
        if maximum.is_none_or(|maximum| maximum >= 1_324) {
            allow(300, &|line| panic!("{line}"));
            assert_eq!(getrlimit(Resource::Nofile).current, Some(1_324));
        }
    }
}
