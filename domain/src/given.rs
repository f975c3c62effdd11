//! `given([…]).by(somebody).when(command).then([…])`, for the tests beside the aggregates.
//!
//! Every event goes through its stored form on the way, so each test also shows that what was
//! decided can be encoded, decoded and applied.

use chrono::DateTime;
use uuid::{Uuid, uuid};

use crate::{
    Aggregate, CommunityRole, DecideContext, EventPayload, PlatformRole, PlatformRoles, Principal, Rejection,
    RejectionKind,
};

pub const SUBJECT: Uuid = uuid!("01920000-0000-7000-8000-000000000001");
pub const SOMEBODY: Uuid = uuid!("01920000-0000-7000-8000-0000000000aa");

pub fn account(id: Uuid, role: Option<CommunityRole>, active: bool) -> Principal {
    Principal::Account { id, role, active, platform: PlatformRoles::default() }
}

pub fn guest(id: Uuid) -> Principal {
    account(id, Some(CommunityRole::Guest), true)
}

pub fn weaver(id: Uuid) -> Principal {
    account(id, Some(CommunityRole::Weaver), true)
}

/// An admin who is a guest in the community.
pub fn admin(id: Uuid) -> Principal {
    with_role(guest(id), PlatformRole::Admin)
}

pub fn with_role(principal: Principal, platform_role: PlatformRole) -> Principal {
    match principal {
        Principal::Account { id, role, active, platform } => {
            Principal::Account { id, role, active, platform: platform.with(platform_role) }
        }
        Principal::System => Principal::System,
    }
}

pub struct Given<A> {
    pub state: A,
    context: DecideContext,
}

/// The aggregate after these events; who acts is a guest, the aggregate's id [`SUBJECT`].
pub fn given<A: Aggregate>(events: impl IntoIterator<Item = A::Event>) -> Given<A> {
    let context =
        DecideContext { principal: guest(SUBJECT), aggregate_id: SUBJECT, now: DateTime::UNIX_EPOCH };
    Given { state: after(A::default(), events), context }
}

fn after<A: Aggregate>(mut state: A, events: impl IntoIterator<Item = A::Event>) -> A {
    for event in events {
        let payload = event.to_payload().to_string();
        let stored =
            A::Event::from_payload(event.event_type().as_str(), event.schema_version(), &payload).unwrap();
        state.apply(&stored);
    }
    state
}

impl<A: Aggregate> Given<A> {
    pub fn by(mut self, principal: Principal) -> Self {
        self.context.principal = principal;
        self
    }

    pub fn on(mut self, aggregate_id: Uuid) -> Self {
        self.context.aggregate_id = aggregate_id;
        self
    }

    pub fn when(self, command: A::Command) -> When<A> {
        When { decided: self.state.decide(&command, &self.context), given: self }
    }
}

pub struct When<A: Aggregate> {
    pub decided: Result<Vec<A::Event>, Rejection>,
    given: Given<A>,
}

impl<A: Aggregate> When<A> {
    /// Exactly these events, compared in their stored form.
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) -> A {
        let decided = self.decided.unwrap();
        let stored = |events: &[A::Event]| {
            events.iter().map(|event| (event.event_type(), event.to_payload())).collect::<Vec<_>>()
        };
        assert_eq!(stored(&decided), stored(&expected.into_iter().collect::<Vec<_>>()));
        after(self.given.state, decided)
    }

    pub fn then_nothing(self) -> A {
        self.then([])
    }

    /// Whatever was decided; gives the state after it.
    pub fn then_some(self) -> (Vec<A::Event>, A) {
        let decided = self.decided.unwrap();
        assert!(!decided.is_empty(), "nothing was decided");
        (decided.clone(), after(self.given.state, decided))
    }

    pub fn then_rejected(self, kind: RejectionKind, code: &str) {
        let rejection = self.decided.map(|events| events.len()).unwrap_err();
        assert_eq!((rejection.kind, rejection.code), (kind, code), "{rejection}");
    }
}
