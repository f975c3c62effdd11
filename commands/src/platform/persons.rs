use domain::{
    DecideContext, Rejection,
    platform::person::{Person, PersonCommand, PersonCommandKind, PersonEvent},
    weave::account::Account,
};
use uuid::Uuid;

use crate::{Beside, CommandWord, Handler};

const fn word(kind: PersonCommandKind) -> CommandWord {
    CommandWord { word: kind.name(), creates: false }
}

impl Handler for Person {
    /// A person is an account's: there has to be one.
    type Reads = Account;

    const COMMANDS: &'static [CommandWord] = &[
        word(PersonCommandKind::RequestForget),
        word(PersonCommandKind::PlaceHold),
        word(PersonCommandKind::ReleaseHold),
        word(PersonCommandKind::RecordForgotten),
    ];
    const ALWAYS_THERE: bool = true;

    fn reads(command: &PersonCommand) -> Option<Uuid> {
        Some(command.account_id())
    }

    fn permits(account: &Account) -> Result<(), Rejection> {
        match account {
            Account::Missing => Err(Rejection::missing("There is no such account.")),
            Account::Living(_) | Account::Left { .. } => Ok(()),
        }
    }

    fn beside(
        _before: &Self,
        _events: &[PersonEvent],
        _context: &DecideContext,
        _beside: &mut Beside<'_>,
    ) -> Result<(), Rejection> {
        Ok(())
    }

    fn refused_reservation(_scope: &str) -> Rejection {
        Rejection::state("taken", "A person takes nothing.")
    }
}
