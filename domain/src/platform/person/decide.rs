use kernel::{Class, Personal};
use uuid::Uuid;

use super::{
    ForgetRequested, HoldPlaced, HoldReleased, Person, PersonCommand, PersonCommandKind, PersonEvent,
    PersonForgotten, PlaceHold, Reason, RecordForgotten, ReleaseHold, RequestForget, forget_request_id,
    person_id,
};
use crate::{DecideContext, Principal, Rejection};

impl Person {
    /// Who may do what. One asks for oneself, also disabled or after leaving: the right does not
    /// end with the account. For somebody else, an operator or admin does.
    pub(super) fn may(kind: PersonCommandKind, context: &DecideContext) -> Result<(), Rejection> {
        let principal = context.principal;
        let oneself = principal.account_id().is_some_and(|id| person_id(id) == context.aggregate_id);
        match kind {
            PersonCommandKind::RequestForget if oneself => Ok(()),
            PersonCommandKind::RequestForget
            | PersonCommandKind::PlaceHold
            | PersonCommandKind::ReleaseHold => {
                principal.require_active()?;
                if operates(principal) { Ok(()) } else { Err(operator_only()) }
            }
            PersonCommandKind::RecordForgotten if principal == Principal::System => Ok(()),
            PersonCommandKind::RecordForgotten => {
                Err(Rejection::forbidden("system-only", "Only the system records what it has destroyed."))
            }
        }
    }

    pub(super) fn decided(
        &self,
        command: &PersonCommand,
        context: &DecideContext,
    ) -> Result<Vec<PersonEvent>, Rejection> {
        Self::may(command.kind(), context)?;
        if person_id(command.account_id()) != context.aggregate_id {
            return Err(Rejection::missing("There is no such account."));
        }
        match command {
            PersonCommand::RequestForget(request) => self.requested(request, context),
            PersonCommand::PlaceHold(hold) => self.placed(hold),
            PersonCommand::ReleaseHold(release) => self.released(release),
            PersonCommand::RecordForgotten(record) => Ok(self.recorded(record)),
        }
    }

    fn requested(
        &self,
        RequestForget { account_id, content, reason }: &RequestForget,
        context: &DecideContext,
    ) -> Result<Vec<PersonEvent>, Rejection> {
        let oneself = context.principal.is(*account_id);
        if reason.is_none() && !oneself && context.principal != Principal::System {
            return Err(Rejection::invalid("/reason", "required", "Say why somebody else is forgotten."));
        }
        // Asked for already, this or more.
        if self.requested >= Some(*content) {
            return Ok(vec![]);
        }
        let requested = ForgetRequested {
            account_id: *account_id,
            request_id: forget_request_id(*account_id, *content),
            content: *content,
            reason: reason.as_ref().and_then(|reason| self.about(*account_id, reason)),
        };
        Ok(vec![requested.into()])
    }

    fn placed(&self, PlaceHold { account_id, reason }: &PlaceHold) -> Result<Vec<PersonEvent>, Rejection> {
        if Class::ALL.iter().all(|class| self.forgotten.contains(class)) {
            return Err(Rejection::state("person-forgotten", "There is nothing left that could be kept."));
        }
        if self.held {
            return Ok(vec![]);
        }
        Ok(vec![HoldPlaced { account_id: *account_id, reason: self.about(*account_id, reason) }.into()])
    }

    fn released(
        &self,
        ReleaseHold { account_id, reason }: &ReleaseHold,
    ) -> Result<Vec<PersonEvent>, Rejection> {
        if !self.held {
            return Err(Rejection::state("not-held", "There is no hold on this person's data."));
        }
        Ok(vec![HoldReleased { account_id: *account_id, reason: self.about(*account_id, reason) }.into()])
    }

    fn recorded(&self, RecordForgotten { account_id, classes }: &RecordForgotten) -> Vec<PersonEvent> {
        let mut classes: Vec<Class> =
            classes.iter().copied().filter(|class| !self.forgotten.contains(class)).collect();
        classes.sort_unstable();
        classes.dedup();
        if classes.is_empty() {
            return vec![];
        }
        vec![PersonForgotten { account_id: *account_id, classes }.into()]
    }

    /// Nothing about who they are is stored any more once that is forgotten.
    fn about(&self, account: Uuid, reason: &Reason) -> Option<Personal<Reason>> {
        let live = !self.forgotten.contains(&Class::Identity);
        live.then(|| Personal::new(Class::Identity, account, reason.clone()))
    }
}

const fn operates(principal: Principal) -> bool {
    match principal {
        Principal::Account { platform, .. } => platform.operator || platform.admin,
        Principal::System => true,
    }
}

fn operator_only() -> Rejection {
    Rejection::forbidden("operator-only", "Only an operator may do this to somebody else.")
}
