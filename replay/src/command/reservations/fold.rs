use std::collections::HashMap;

use domain::weave::{
    account::{AccountEvent, AccountRegistered},
    values::Email,
};
use eventstore::keys::KeyStore;
use kernel::Personal;
use uuid::Uuid;

pub use commands::weave::{EMAIL, GUEST_NODES};

/// What the reservations should be after the events so far. Holds hashes, never addresses.
pub struct Fold<'a> {
    keys: &'a dyn KeyStore,
    emails: HashMap<Uuid, [u8; 32]>,
    guest_nodes: HashMap<Uuid, i64>,
}

/// One row as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub scope: &'static str,
    pub hash: [u8; 32],
    pub owner: Uuid,
    pub count: i64,
}

impl<'a> Fold<'a> {
    pub fn new(keys: &'a dyn KeyStore) -> Self {
        Self { keys, emails: HashMap::new(), guest_nodes: HashMap::new() }
    }

    /// An event of an account, opened.
    pub fn account(&mut self, account: Uuid, event: &AccountEvent) {
        match event {
            AccountEvent::Registered(registered) => {
                let AccountRegistered { email, .. } = &**registered;
                self.email(account, email);
            }
            AccountEvent::EmailChanged(changed) => self.email(account, &changed.email),
            AccountEvent::Left(_) => _ = self.emails.remove(&account),
            _ => {}
        }
    }

    /// An erased address holds nothing: the erasure has dropped its reservation.
    fn email(&mut self, account: Uuid, email: &Personal<Email>) {
        match email.value() {
            Some(email) => {
                let hash = self.keys.keyed_hash(EMAIL, email.normalised().as_bytes());
                self.emails.insert(account, hash);
            }
            None => _ = self.emails.remove(&account),
        }
    }

    /// A node was tied by somebody who had these roles then. Only guests are counted.
    pub fn tied(&mut self, creator: Uuid, roles: &[String], by_system: bool) {
        let is_weaver = by_system || roles.iter().any(|role| role == "weaver" || role == "admin");
        if !is_weaver {
            *self.guest_nodes.entry(creator).or_default() += 1;
        }
    }

    /// As in the append: what was never counted stays so, and a total never falls below zero.
    pub fn removed(&mut self, creator: Uuid) {
        if let Some(count) = self.guest_nodes.get_mut(&creator) {
            *count = (*count - 1).max(0);
        }
    }

    /// The rows, and pairs of living accounts that have the same address.
    pub fn wanted(&self) -> (Vec<Wanted>, Vec<[Uuid; 2]>) {
        let mut owners: HashMap<[u8; 32], Uuid> = HashMap::new();
        let mut shared = Vec::new();
        let mut accounts: Vec<_> = self.emails.iter().collect();
        // UUIDv7: the older account first.
        accounts.sort_unstable();
        for (account, hash) in accounts {
            match owners.get(hash) {
                Some(first) => shared.push([*first, *account]),
                None => _ = owners.insert(*hash, *account),
            }
        }
        let emails = owners.into_iter().map(|(hash, owner)| Wanted { scope: EMAIL, hash, owner, count: 1 });
        let guests = self.guest_nodes.iter().map(|(owner, count)| Wanted {
            scope: GUEST_NODES,
            hash: self.keys.keyed_hash(GUEST_NODES, owner.as_bytes()),
            owner: *owner,
            count: *count,
        });
        (emails.chain(guests).collect(), shared)
    }
}

#[cfg(test)]
mod tests {
    use domain::weave::account::{AccountEmailChanged, AccountLeft};
    use eventstore::keys::MemoryKeyStore;
    use kernel::Class;

    use super::*;

    fn email(text: &str) -> AccountEvent {
        let email = Personal::new(Class::Contact, Uuid::nil(), Email::parse(text).unwrap());
        AccountEmailChanged { email }.into()
    }

    #[test]
    fn a_living_accounts_last_address_is_taken_and_no_other() {
        let keys = MemoryKeyStore::new().unwrap();
        let mut fold = Fold::new(&keys);
        let [ada, bob, eve] = [1, 2, 3].map(Uuid::from_u128);
        fold.account(ada, &email("old@example.org"));
        fold.account(ada, &email("Ada@Example.org"));
        fold.account(bob, &email("bob@example.org"));
        fold.account(bob, &AccountLeft {}.into());
        fold.account(eve, &AccountEmailChanged { email: Personal::Redacted }.into());
        let (wanted, shared) = fold.wanted();
        let hash = keys.keyed_hash(EMAIL, b"ada@example.org");
        assert_eq!(wanted, [Wanted { scope: EMAIL, hash, owner: ada, count: 1 }]);
        assert!(shared.is_empty());
    }

    #[test]
    fn two_accounts_with_one_address_are_named() {
        let keys = MemoryKeyStore::new().unwrap();
        let mut fold = Fold::new(&keys);
        let [ada, bob] = [1, 2].map(Uuid::from_u128);
        fold.account(bob, &email("a@example.org"));
        fold.account(ada, &email("A@example.org"));
        assert_eq!(fold.wanted().1, [[ada, bob]]);
    }

    #[test]
    fn only_guests_nodes_are_counted_and_never_below_zero() {
        let keys = MemoryKeyStore::new().unwrap();
        let mut fold = Fold::new(&keys);
        let [guest, weaver] = [1, 2].map(Uuid::from_u128);
        let roles = |role: &str| [role.to_owned()];
        fold.tied(guest, &roles("guest"), false);
        fold.tied(guest, &roles("guest"), false);
        fold.tied(weaver, &roles("weaver"), false);
        fold.tied(weaver, &[], true);
        fold.removed(weaver);
        for _ in 0..3 {
            fold.removed(guest);
        }
        fold.tied(guest, &roles("guest"), false);
        let (wanted, _) = fold.wanted();
        assert_eq!(wanted.len(), 1);
        assert_eq!((wanted[0].owner, wanted[0].count), (guest, 1));
    }
}
