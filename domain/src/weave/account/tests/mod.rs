mod place;
mod profile;

use kernel::{Class, Personal};
use uuid::Uuid;

use super::*;
use crate::{
    Aggregate, CommunityRole, Principal,
    RejectionKind::{Forbidden, Missing, State},
    given::{SOMEBODY, SUBJECT, account, admin, given, guest, weaver, with_role},
    weave::values::{Email, MapState, Title},
};

const ADMIN: Principal = Principal::Account {
    id: SOMEBODY,
    role: Some(CommunityRole::Guest),
    active: true,
    platform: crate::PlatformRoles { admin: true, auditor: false, operator: false },
};

const DISABLE: AccountCommand = AccountCommand::Disable(DisableAccount);
const REACTIVATE: AccountCommand = AccountCommand::Reactivate(ReactivateAccount);
const LEAVE: AccountCommand = AccountCommand::Leave(LeaveAccount);

fn title(text: &str) -> Personal<Title> {
    Personal::new(Class::Identity, SUBJECT, Title::parse(text).unwrap())
}

fn email(text: &str) -> Personal<Email> {
    Personal::new(Class::Contact, SUBJECT, Email::parse(text).unwrap())
}

fn registered() -> AccountEvent {
    AccountRegistered { title: title("Ada"), email: email("ada@b.example"), role: CommunityRole::Guest }
        .into()
}

fn register() -> AccountCommand {
    AccountCommand::Register(RegisterAccount {
        title: Title::parse("Ada").unwrap(),
        email: Email::parse("ada@b.example").unwrap(),
    })
}

fn hide() -> AccountCommand {
    AccountCommand::Place(PlaceAccount {
        map_state: MapState::NotOnMap,
        location: None,
        radius_m: None,
        u: 0.5,
        v: 0.5,
    })
}

fn mail(text: &str) -> AccountCommand {
    AccountCommand::ChangeEmail(ChangeEmail { email: Email::parse(text).unwrap() })
}

const fn promote(proposal_id: Option<Uuid>) -> AccountCommand {
    AccountCommand::Promote(PromoteAccount { proposal_id })
}

fn promoted(proposal_id: Option<Uuid>) -> AccountEvent {
    AccountPromoted { from: CommunityRole::Guest, to: CommunityRole::Weaver, proposal_id }.into()
}

fn disabled() -> AccountEvent {
    AccountDisabled {}.into()
}

fn left() -> AccountEvent {
    AccountLeft {}.into()
}

/// What only the account itself may do.
fn own_commands() -> [AccountCommand; 4] {
    [AccountCommand::Describe(DescribeAccount::default()), hide(), mail("new@b.example"), LEAVE]
}

/// What only an admin may do to an account that exists.
fn admin_commands() -> [AccountCommand; 3] {
    [DISABLE, REACTIVATE, promote(None)]
}

#[test]
fn one_registers_oneself_as_guest_without_having_an_account_yet() {
    let state = given::<Account>([]).by(account(SUBJECT, None, false)).when(register()).then([registered()]);
    assert_eq!(state.principal_view(), (Some(CommunityRole::Guest), true));
    assert_eq!(state.email(), Some(&email("ada@b.example")));
    assert_eq!(Account::default().principal_view(), (None, false));
}

#[test]
fn an_admin_or_the_system_registers_somebody_else() {
    for principal in [ADMIN, Principal::System] {
        given::<Account>([]).by(principal).when(register()).then([registered()]);
    }
    for principal in [guest(SOMEBODY), weaver(SOMEBODY)] {
        given::<Account>([]).by(principal).when(register()).then_rejected(Forbidden, "admin-only");
    }
    let unregistered_admin = with_role(account(SOMEBODY, None, false), crate::PlatformRole::Admin);
    given::<Account>([])
        .by(unregistered_admin)
        .when(register())
        .then_rejected(Forbidden, "account-not-registered");
}

#[test]
fn an_account_registers_once_and_a_reused_id_gains_nothing() {
    for events in [vec![registered()], vec![registered(), disabled()], vec![registered(), left()]] {
        given::<Account>(events)
            .by(account(SUBJECT, Some(CommunityRole::Guest), false))
            .when(register())
            .then_rejected(State, "already-exists");
    }
}

#[test]
fn nobody_changes_somebody_elses_account() {
    for principal in [guest(SOMEBODY), weaver(SOMEBODY), ADMIN, Principal::System] {
        for command in own_commands() {
            // Forgetting somebody begins with it.
            if principal == Principal::System && command == LEAVE {
                continue;
            }
            given::<Account>([registered()])
                .by(principal)
                .when(command)
                .then_rejected(Forbidden, "not-oneself");
        }
    }
}

#[test]
fn the_system_makes_anybody_leave_who_is_forgotten_once() {
    for events in [vec![registered()], vec![registered(), disabled()]] {
        given::<Account>(events).by(Principal::System).when(LEAVE).then([left()]);
    }
    given::<Account>([registered(), left()]).by(Principal::System).when(LEAVE).then([]);
}

#[test]
fn only_an_admin_or_the_system_disables_reactivates_and_promotes() {
    for principal in [guest(SUBJECT), weaver(SOMEBODY)] {
        for command in admin_commands() {
            given::<Account>([registered()])
                .by(principal)
                .when(command)
                .then_rejected(Forbidden, "admin-only");
        }
    }
    for principal in [ADMIN, Principal::System] {
        given::<Account>([registered()]).by(principal).when(DISABLE).then([disabled()]);
    }
}

#[test]
fn who_is_not_active_may_do_nothing_not_even_as_admin() {
    for command in own_commands().into_iter().chain(admin_commands()) {
        given::<Account>([registered()])
            .by(with_role(account(SUBJECT, Some(CommunityRole::Weaver), false), crate::PlatformRole::Admin))
            .when(command)
            .then_rejected(Forbidden, "account-not-active");
    }
}

#[test]
fn disabling_stops_the_account_and_reactivating_lets_it_act_again() {
    let state = given::<Account>([registered()]).by(ADMIN).when(DISABLE).then([disabled()]);
    assert_eq!(state.principal_view(), (Some(CommunityRole::Guest), false));
    given::<Account>([registered(), disabled()]).by(ADMIN).when(DISABLE).then_nothing();
    let state = given::<Account>([registered(), disabled()])
        .by(ADMIN)
        .when(REACTIVATE)
        .then([AccountReactivated {}.into()]);
    assert_eq!(state.status(), Some(AccountStatus::Active));
    given::<Account>([registered()]).by(ADMIN).when(REACTIVATE).then_nothing();
}

#[test]
fn the_state_refuses_a_disabled_accounts_own_commands_even_if_the_principal_is_stale() {
    for command in own_commands() {
        given::<Account>([registered(), disabled()]).when(command).then_rejected(State, "account-disabled");
    }
}

#[test]
fn an_active_guest_is_promoted_once() {
    let proposal = Some(Uuid::from_u128(9));
    for principal in [ADMIN, Principal::System] {
        let state =
            given::<Account>([registered()]).by(principal).when(promote(proposal)).then([promoted(proposal)]);
        assert_eq!(state.role(), Some(CommunityRole::Weaver));
    }
    let weaver = || [registered(), promoted(proposal)];
    given::<Account>(weaver()).by(Principal::System).when(promote(proposal)).then_nothing();
    for other in [None, Some(Uuid::from_u128(10))] {
        given::<Account>(weaver()).by(ADMIN).when(promote(other)).then_rejected(State, "not-a-guest");
    }
    given::<Account>([registered(), promoted(None)])
        .by(ADMIN)
        .when(promote(None))
        .then_rejected(State, "not-a-guest");
    given::<Account>([registered(), disabled()])
        .by(ADMIN)
        .when(promote(None))
        .then_rejected(State, "account-disabled");
}

#[test]
fn leaving_is_final() {
    let state = given::<Account>([registered(), promoted(None)]).when(LEAVE).then([left()]);
    assert_eq!(state.principal_view(), (Some(CommunityRole::Weaver), false));
    assert!(state.email().is_none() && !state.is_on_map() && state.exists());
    for command in admin_commands() {
        given::<Account>([registered(), left()]).by(ADMIN).when(command).then_rejected(State, "account-left");
    }
    for command in own_commands() {
        given::<Account>([registered(), left()]).when(command).then_rejected(State, "account-left");
    }
    // Forbidden is said before final.
    given::<Account>([registered(), left()])
        .by(weaver(SOMEBODY))
        .when(DISABLE)
        .then_rejected(Forbidden, "admin-only");
}

#[test]
fn a_missing_account_is_missing() {
    for command in admin_commands() {
        given::<Account>([]).by(admin(SOMEBODY)).when(command).then_rejected(Missing, "not-found");
    }
}

#[test]
fn commands_are_called_as_on_the_wire_and_only_register_creates() {
    for kind in AccountCommandKind::ALL {
        assert_eq!(AccountCommandKind::parse(kind.name()), Some(kind));
        assert_eq!(kind.creates(), kind.name() == "register");
    }
    assert_eq!(mail("a@b.example").name(), "change-email");
}
