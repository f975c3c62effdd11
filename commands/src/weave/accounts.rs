use domain::{
    DecideContext, Rejection,
    weave::{
        account::{Account, AccountCommandKind, AccountEvent},
        values::Email,
    },
};
use kernel::Personal;

use crate::{Beside, CommandWord, Handler};

/// One address, one living account.
pub const EMAIL: &str = "email";

const fn word(kind: AccountCommandKind) -> CommandWord {
    CommandWord { word: kind.name(), creates: kind.creates() }
}

impl Handler for Account {
    type Reads = Self;
    const COMMANDS: &'static [CommandWord] = &[
        word(AccountCommandKind::Register),
        word(AccountCommandKind::Describe),
        word(AccountCommandKind::Place),
        word(AccountCommandKind::ChangeEmail),
        word(AccountCommandKind::Disable),
        word(AccountCommandKind::Reactivate),
        word(AccountCommandKind::Promote),
        word(AccountCommandKind::Leave),
    ];

    fn beside(
        before: &Self,
        events: &[AccountEvent],
        context: &DecideContext,
        beside: &mut Beside<'_>,
    ) -> Result<(), Rejection> {
        let owner = context.aggregate_id;
        let held = before.email().and_then(normalised);
        for event in events {
            match event {
                AccountEvent::Registered(registered) => {
                    if let Some(email) = normalised(&registered.email) {
                        beside.take(EMAIL, &email, owner);
                    }
                }
                AccountEvent::EmailChanged(changed) => {
                    let wanted = normalised(&changed.email);
                    if wanted == held {
                        continue;
                    }
                    if let Some(held) = &held {
                        beside.release(EMAIL, held, owner);
                    }
                    if let Some(wanted) = &wanted {
                        beside.take(EMAIL, wanted, owner);
                    }
                }
                AccountEvent::Left(_) => {
                    if let Some(held) = &held {
                        beside.release(EMAIL, held, owner);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn refused_reservation(_scope: &str) -> Rejection {
        Rejection {
            pointer: Some("/email"),
            ..Rejection::state("email-taken", "Another account uses this e-mail address.")
        }
    }
}

/// An erased address cannot be given back by its hash; the erasure has dropped the reservation.
fn normalised(email: &Personal<Email>) -> Option<String> {
    email.value().map(|email| email.normalised().to_string())
}
