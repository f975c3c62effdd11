use domain::weave::account::Account;
use domain::{Aggregate, CommunityRole, DecideContext, PlatformRoles, Principal, Rejection, RejectionKind};
use kernel::Version;
use uuid::Uuid;

use super::cache::Loaded;
use crate::{Caller, CommandError, CommandRequest, CommandWord, Handler};

/// What the rules say to a command on the states that were read.
pub(super) enum Verdict<A: Aggregate> {
    Events(Vec<A::Event>),
    /// It is so already.
    Nothing,
    No(CommandError),
}

/// Who acts, by token and by the state of the account.
pub(super) fn principal(caller: Caller, actor: Option<&Account>) -> Principal {
    match caller {
        Caller::System => Principal::System,
        Caller::Account { id, platform } => {
            let (role, active) = actor.map_or((None, false), Account::principal_view);
            Principal::Account { id, role, active, platform }
        }
    }
}

/// The order of answers is the contract's: may not (403), is not there (404) or is there already
/// (409), another version (412), a bad field (422), the rules (409). What the command depends on may be missing
/// or in a state that forbids it (`permitted`): the one is a 404 like the other, so is the 409.
pub(super) fn verdict<A: Handler>(
    target: &Loaded<A>,
    context: &DecideContext,
    request: &CommandRequest,
    word: CommandWord,
    command: &Result<A::Command, Rejection>,
    permitted: Result<(), Rejection>,
) -> Verdict<A> {
    let no = |rejection: Rejection| Verdict::No(rejection.into());
    if let Err(forbidden) = target.state.authorise(word.word, context) {
        return no(forbidden);
    }
    if target.version == 0 && !word.creates && !A::ALWAYS_THERE {
        return no(Rejection::missing(format!("There is no such {}.", A::TYPE)));
    }
    if target.foreign {
        return no(if word.creates {
            Rejection::state("already-exists", "This id is in use.")
        } else {
            Rejection::missing(format!("There is no such {}.", A::TYPE))
        });
    }
    if target.version > 0 && word.creates {
        return no(Rejection::state(
            "already-exists",
            format!("There is such {} already.", with_article(A::TYPE.as_str())),
        ));
    }
    if let Err(missing) = &permitted
        && missing.kind == RejectionKind::Missing
    {
        return no(missing.clone());
    }
    if let Some(expected) = request.if_match
        && expected != target.version
    {
        return Verdict::No(CommandError::StaleVersion { expected, actual: target.version });
    }
    let command = match command {
        Ok(command) => command,
        Err(invalid) => return no(invalid.clone()),
    };
    match target.state.decide(command, context) {
        Ok(events) if events.is_empty() => Verdict::Nothing,
        Ok(events) => permitted.map_or_else(no, |()| Verdict::Events(events)),
        Err(rejection) => no(rejection),
    }
}

/// `a node`, `an account`.
fn with_article(name: &str) -> String {
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// Names of the roles an actor had, for the event's metadata.
pub(super) fn role_names(principal: &Principal) -> Vec<String> {
    let Principal::Account { role, platform, .. } = principal else { return vec![] };
    let PlatformRoles { admin, auditor, operator } = *platform;
    let community = match role {
        Some(CommunityRole::Guest) => Some("guest"),
        Some(CommunityRole::Weaver) => Some("weaver"),
        None => None,
    };
    community
        .into_iter()
        .chain(admin.then_some("admin"))
        .chain(auditor.then_some("auditor"))
        .chain(operator.then_some("operator"))
        .map(str::to_owned)
        .collect()
}

/// What was read from memory and has to be looked at again before a "no" is given.
pub(super) struct Seen {
    pub id: Uuid,
    pub version: Version,
    pub fresh: bool,
}

#[cfg(test)]
mod tests {
    use super::with_article;

    #[test]
    fn a_sentence_has_its_article() {
        assert_eq!((with_article("account"), with_article("node")), ("an account".into(), "a node".into()));
    }
}
