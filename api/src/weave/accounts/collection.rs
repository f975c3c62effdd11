use domain::{Aggregate, weave::account::Account};
use serde_json::{Value, json};

use super::wire::{
    ChangeEmail, DescribeAccount, DisableAccount, LeaveAccount, PlaceAccount, PromoteAccount,
    ReactivateAccount, RegisterAccount,
};
use crate::command::{Collection, ErrorDoc, WireCommand};

/// The commands of an account.
#[must_use]
pub fn collection() -> Collection {
    Collection::new("accounts", Account::TYPE)
        .command::<RegisterAccount>()
        .command::<DescribeAccount>()
        .command::<PlaceAccount>()
        .command::<ChangeEmail>()
        .command::<DisableAccount>()
        .command::<ReactivateAccount>()
        .command::<PromoteAccount>()
        .command::<LeaveAccount>()
}

const NOT_ONESELF: ErrorDoc = ErrorDoc::new(403, "not-oneself");
const ADMIN_ONLY: ErrorDoc = ErrorDoc::new(403, "admin-only");
const LEFT: ErrorDoc = ErrorDoc::new(409, "account-left");
const DISABLED: ErrorDoc = ErrorDoc::new(409, "account-disabled");
const TAKEN: ErrorDoc = ErrorDoc::new(409, "email-taken");
const BLANK: ErrorDoc = ErrorDoc::new(422, "blank");
const LONG: ErrorDoc = ErrorDoc::new(422, "too-long");
const CONTROL: ErrorDoc = ErrorDoc::new(422, "control-character");
const NO_EMAIL: ErrorDoc = ErrorDoc::new(422, "invalid-email");

impl WireCommand for RegisterAccount {
    type Aggregate = Account;
    const WORD: &'static str = "register";
    const SUMMARY: &'static str =
        "Registers oneself (the token's account is the id), or somebody by an admin.";
    const ERRORS: &'static [ErrorDoc] =
        &[ADMIN_ONLY, ErrorDoc::new(409, "already-exists"), TAKEN, BLANK, LONG, CONTROL, NO_EMAIL];

    fn example() -> Value {
        json!({"title": "Ada", "email": "ada@example.org"})
    }
}

impl WireCommand for DescribeAccount {
    type Aggregate = Account;
    const WORD: &'static str = "describe";
    const SUMMARY: &'static str = "Changes one's own profile; `null` empties summary or address.";
    const ERRORS: &'static [ErrorDoc] =
        &[NOT_ONESELF, LEFT, DISABLED, BLANK, LONG, CONTROL, ErrorDoc::new(422, "too-many-tags")];

    fn example() -> Value {
        json!({"summary": "I repair bicycles.", "tags": ["bicycles"], "address": null})
    }
}

impl WireCommand for PlaceAccount {
    type Aggregate = Account;
    const WORD: &'static str = "place";
    const SUMMARY: &'static str = "Shows oneself on the map, exactly or somewhere within a radius, or hides.";
    const ERRORS: &'static [ErrorDoc] = &[
        NOT_ONESELF,
        LEFT,
        DISABLED,
        ErrorDoc::new(422, "location-required"),
        ErrorDoc::new(422, "invalid-location"),
        ErrorDoc::new(422, "invalid-radius"),
        ErrorDoc::new(422, "unknown-value"),
    ];

    fn example() -> Value {
        json!({"map_state": "radius", "location": {"lat": 52.52, "lon": 13.405}, "radius_m": 250})
    }
}

impl WireCommand for ChangeEmail {
    type Aggregate = Account;
    const WORD: &'static str = "change-email";
    const SUMMARY: &'static str = "Changes one's own e-mail address.";
    const ERRORS: &'static [ErrorDoc] = &[NOT_ONESELF, LEFT, DISABLED, TAKEN, BLANK, LONG, CONTROL, NO_EMAIL];

    fn example() -> Value {
        json!({"email": "ada@example.net"})
    }
}

impl WireCommand for DisableAccount {
    type Aggregate = Account;
    const WORD: &'static str = "disable";
    const SUMMARY: &'static str = "Takes from an account the right to act (admin).";
    const ERRORS: &'static [ErrorDoc] = &[ADMIN_ONLY, LEFT];

    fn example() -> Value {
        json!({})
    }
}

impl WireCommand for ReactivateAccount {
    type Aggregate = Account;
    const WORD: &'static str = "reactivate";
    const SUMMARY: &'static str = "Gives a disabled account the right to act back (admin).";
    const ERRORS: &'static [ErrorDoc] = &[ADMIN_ONLY, LEFT];

    fn example() -> Value {
        json!({})
    }
}

impl WireCommand for PromoteAccount {
    type Aggregate = Account;
    const WORD: &'static str = "promote";
    const SUMMARY: &'static str = "Makes a guest a weaver (admin).";
    const ERRORS: &'static [ErrorDoc] = &[ADMIN_ONLY, LEFT, DISABLED, ErrorDoc::new(409, "not-a-guest")];

    fn example() -> Value {
        json!({"proposal_id": "01920000-0000-7000-8000-0000000000aa"})
    }
}

impl WireCommand for LeaveAccount {
    type Aggregate = Account;
    const WORD: &'static str = "leave";
    const SUMMARY: &'static str = "Leaves for good; one's nodes stay without a creator.";
    const ERRORS: &'static [ErrorDoc] = &[NOT_ONESELF, LEFT, DISABLED];

    fn example() -> Value {
        json!({})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::assert_complete;

    #[test]
    fn every_command_of_an_account_has_a_route() {
        assert_complete::<Account>(&collection());
    }

    #[test]
    fn every_example_is_a_command() {
        fn works<W: WireCommand>() {
            let wire: W = serde_json::from_value(W::example()).unwrap();
            assert!(<W::Aggregate as Aggregate>::Command::try_from(wire).is_ok(), "{}", W::WORD);
        }
        works::<RegisterAccount>();
        works::<DescribeAccount>();
        works::<PlaceAccount>();
        works::<ChangeEmail>();
        works::<DisableAccount>();
        works::<ReactivateAccount>();
        works::<PromoteAccount>();
        works::<LeaveAccount>();
    }
}
