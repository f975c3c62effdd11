use kernel::Envelope;

use super::*;
use crate::weave::values::{AccountTags, Change, ContactAddress, Summary};

fn personal<T>(class: Class, value: T) -> Personal<T> {
    Personal::new(class, SUBJECT, value)
}

fn all() -> DescribeAccount {
    DescribeAccount {
        title: Some(Title::parse("Ada Lovelace").unwrap()),
        summary: Change::Set(Summary::parse("rechnet gern").unwrap()),
        tags: Some(AccountTags::parse(["mathe", "garten"]).unwrap()),
        address: Change::Set(ContactAddress::parse("Am Deich 1\n20359 Hamburg").unwrap()),
    }
}

fn all_described() -> AccountEvent {
    let DescribeAccount { title, summary, tags, address } = all();
    AccountDescribed {
        title: title.map(|title| personal(Class::Identity, title)),
        summary: summary.map(|summary| personal(Class::Identity, summary)),
        tags: tags.map(|tags| personal(Class::Identity, tags)),
        address: address.map(|address| personal(Class::Contact, address)),
    }
    .into()
}

fn describe(describe: DescribeAccount) -> AccountCommand {
    AccountCommand::Describe(describe)
}

#[test]
fn describing_records_each_field_in_its_class() {
    let state = given::<Account>([registered()]).when(describe(all())).then([all_described()]);
    let profile = state.living().unwrap();
    assert_eq!(profile.title.value().unwrap().as_str(), "Ada Lovelace");
    assert_eq!(profile.tags.as_ref().unwrap().value().unwrap().len(), 2);
}

#[test]
fn describing_records_changed_fields_only() {
    let title = Some(Title::parse("Countess").unwrap());
    given::<Account>([registered(), all_described()])
        .when(describe(DescribeAccount { title: title.clone(), ..all() }))
        .then([AccountDescribed {
            title: title.map(|title| personal(Class::Identity, title)),
            ..AccountDescribed::default()
        }
        .into()]);
}

#[test]
fn describing_what_already_is_records_nothing() {
    given::<Account>([registered(), all_described()]).when(describe(all())).then_nothing();
    given::<Account>([registered()]).when(describe(DescribeAccount::default())).then_nothing();
    let emptied = DescribeAccount {
        title: None,
        summary: Change::Clear,
        tags: Some(AccountTags::default()),
        address: Change::Set(ContactAddress::parse("").unwrap()),
    };
    given::<Account>([registered()]).when(describe(emptied)).then_nothing();
}

#[test]
fn null_or_a_blank_text_clears_a_field() {
    let cleared = DescribeAccount {
        summary: Change::Clear,
        address: Change::Set(ContactAddress::parse("  ").unwrap()),
        ..DescribeAccount::default()
    };
    let state =
        given::<Account>([registered(), all_described()]).when(describe(cleared)).then([AccountDescribed {
            summary: Change::Clear,
            address: Change::Clear,
            ..AccountDescribed::default()
        }
        .into()]);
    let profile = state.living().unwrap();
    assert!(profile.summary.is_none() && profile.address.is_none() && profile.tags.is_some());
}

#[test]
fn an_erased_value_never_counts_as_the_same() {
    let envelope = Envelope {
        class: Class::Identity,
        subject: SUBJECT,
        key: Uuid::nil(),
        event: Uuid::nil(),
        field: "/title".to_owned(),
        nonce: String::new(),
        ciphertext: String::new(),
    };
    let erased =
        Personal::Erased { class: Class::Identity, subject: SUBJECT, sealed: Some(Box::new(envelope)) };
    let mut state = given::<Account>([registered()]);
    state.state.apply(&AccountDescribed { title: Some(erased), ..AccountDescribed::default() }.into());
    let command = DescribeAccount { title: Some(Title::parse("Ada").unwrap()), ..DescribeAccount::default() };
    let (events, _) = state.when(describe(command)).then_some();
    assert_eq!(events.len(), 1);
}

#[test]
fn the_email_changes_unless_it_is_the_same() {
    let changed = AccountEmailChanged { email: email("Ada@b.example") };
    let state = given::<Account>([registered()]).when(mail("Ada@b.example")).then([changed.into()]);
    assert_eq!(state.email(), Some(&email("Ada@b.example")));
    given::<Account>([registered()]).when(mail("ada@b.example")).then_nothing();
}
