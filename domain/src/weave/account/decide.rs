use kernel::{Class, Personal};
use uuid::Uuid;

use super::{
    Account, AccountCommand, AccountCommandKind, AccountDescribed, AccountDisabled, AccountEmailChanged,
    AccountEvent, AccountLeft, AccountPromoted, AccountReactivated, AccountRegistered, DescribeAccount,
    Profile, PromoteAccount, RegisterAccount,
};
use crate::{CommunityRole, DecideContext, Principal, Rejection, weave::values::Change};

impl Account {
    /// Who may do what. It depends on who acts and on whom, never on the account's state.
    pub(super) fn may(kind: AccountCommandKind, context: &DecideContext) -> Result<(), Rejection> {
        let principal = context.principal;
        let oneself = principal.is(context.aggregate_id);
        match kind {
            // Who registers has no active account yet; whether one exists is a matter of state.
            AccountCommandKind::Register if oneself => Ok(()),
            AccountCommandKind::Register
            | AccountCommandKind::Disable
            | AccountCommandKind::Reactivate
            | AccountCommandKind::Promote => {
                principal.require_active()?;
                if principal.is_admin() { Ok(()) } else { Err(admin_only()) }
            }
            // Forgetting somebody begins with it.
            AccountCommandKind::Leave if principal == Principal::System => Ok(()),
            AccountCommandKind::Describe
            | AccountCommandKind::Place
            | AccountCommandKind::ChangeEmail
            | AccountCommandKind::Leave => {
                principal.require_active()?;
                if oneself { Ok(()) } else { Err(not_oneself()) }
            }
        }
    }

    pub(super) fn decided(
        &self,
        command: &AccountCommand,
        context: &DecideContext,
    ) -> Result<Vec<AccountEvent>, Rejection> {
        Self::may(command.kind(), context)?;
        let id = context.aggregate_id;
        let profile = match (command, self) {
            (AccountCommand::Register(register), Self::Missing) => return Ok(vec![registered(register, id)]),
            (AccountCommand::Register(_), _) => {
                return Err(Rejection::state("already-exists", "This account is registered already."));
            }
            (_, Self::Missing) => return Err(Rejection::missing("There is no such account.")),
            // Whoever is forgotten may have left before.
            (AccountCommand::Leave(_), Self::Left { .. }) if context.principal == Principal::System => {
                return Ok(vec![]);
            }
            (_, Self::Left { .. }) => {
                return Err(Rejection::state("account-left", "This account was left for good."));
            }
            (_, Self::Living(profile)) => profile,
        };
        match command {
            // Answered above.
            AccountCommand::Register(_) => Ok(vec![]),
            AccountCommand::Describe(describe) => {
                profile.require_enabled()?;
                Ok(profile.described(describe, id).into_iter().collect())
            }
            AccountCommand::Place(place) => {
                profile.require_enabled()?;
                Ok(profile.place.decide(place, id)?.map(AccountEvent::from).into_iter().collect())
            }
            AccountCommand::ChangeEmail(change) => {
                profile.require_enabled()?;
                let email = changed(&change.email, Some(&profile.email), Class::Contact, id);
                Ok(email.map(|email| AccountEmailChanged { email }.into()).into_iter().collect())
            }
            AccountCommand::Disable(_) if profile.disabled => Ok(vec![]),
            AccountCommand::Disable(_) => Ok(vec![AccountDisabled {}.into()]),
            AccountCommand::Reactivate(_) if profile.disabled => Ok(vec![AccountReactivated {}.into()]),
            AccountCommand::Reactivate(_) => Ok(vec![]),
            AccountCommand::Promote(promote) => profile.promoted(*promote),
            AccountCommand::Leave(_) => {
                // A disabled account is left for its person by the system only.
                if context.principal != Principal::System {
                    profile.require_enabled()?;
                }
                Ok(vec![AccountLeft {}.into()])
            }
        }
    }
}

fn registered(RegisterAccount { title, email }: &RegisterAccount, id: Uuid) -> AccountEvent {
    AccountRegistered {
        title: Personal::new(Class::Identity, id, title.clone()),
        email: Personal::new(Class::Contact, id, email.clone()),
        role: CommunityRole::Guest,
    }
    .into()
}

impl Profile {
    /// The principal's `active` says the same of one's own account; this is the state's word.
    fn require_enabled(&self) -> Result<(), Rejection> {
        if self.disabled {
            return Err(Rejection::state("account-disabled", "This account is disabled."));
        }
        Ok(())
    }

    fn described(&self, describe: &DescribeAccount, id: Uuid) -> Option<AccountEvent> {
        let summary = describe.summary.as_ref();
        let address = describe.address.as_ref();
        // Who never had tags and gives an empty list changes nothing.
        let tags = describe.tags.as_ref().filter(|tags| self.tags.is_some() || !tags.is_empty());
        let described = AccountDescribed {
            title: describe.title.as_ref().and_then(|t| changed(t, Some(&self.title), Class::Identity, id)),
            summary: changed_or_cleared(
                if matches!(summary, Change::Set(text) if text.is_blank()) { Change::Clear } else { summary },
                self.summary.as_ref(),
                Class::Identity,
                id,
            ),
            tags: tags.and_then(|tags| changed(tags, self.tags.as_ref(), Class::Identity, id)),
            address: changed_or_cleared(
                if matches!(address, Change::Set(text) if text.is_blank()) { Change::Clear } else { address },
                self.address.as_ref(),
                Class::Contact,
                id,
            ),
        };
        (described != AccountDescribed::default()).then(|| described.into())
    }

    fn promoted(
        &self,
        PromoteAccount { proposal_id }: PromoteAccount,
    ) -> Result<Vec<AccountEvent>, Rejection> {
        // A process manager may come twice with the same proposal, even after a disabling.
        if proposal_id.is_some() && proposal_id == self.promoted_by {
            return Ok(vec![]);
        }
        self.require_enabled()?;
        match self.role {
            CommunityRole::Guest => Ok(vec![
                AccountPromoted { from: CommunityRole::Guest, to: CommunityRole::Weaver, proposal_id }.into(),
            ]),
            CommunityRole::Weaver => Err(Rejection::state("not-a-guest", "Only a guest can be promoted.")),
        }
    }
}

/// A value that is erased or not readable here never counts as the same.
fn changed<T: Clone + PartialEq>(
    wanted: &T,
    current: Option<&Personal<T>>,
    class: Class,
    subject: Uuid,
) -> Option<Personal<T>> {
    if current.and_then(Personal::value) == Some(wanted) {
        return None;
    }
    Some(Personal::new(class, subject, wanted.clone()))
}

fn changed_or_cleared<T: Clone + PartialEq>(
    wanted: Change<&T>,
    current: Option<&Personal<T>>,
    class: Class,
    subject: Uuid,
) -> Change<Personal<T>> {
    match wanted {
        Change::Set(value) => changed(value, current, class, subject).map_or(Change::Keep, Change::Set),
        Change::Clear if current.is_some() => Change::Clear,
        Change::Clear | Change::Keep => Change::Keep,
    }
}

fn admin_only() -> Rejection {
    Rejection::forbidden("admin-only", "Only an admin may do this.")
}

fn not_oneself() -> Rejection {
    Rejection::forbidden("not-oneself", "An account is changed by its owner only.")
}
