use std::collections::BTreeSet;

use kernel::{Class, Name, Personal};
use serde::{Deserialize, Serialize};

use super::{Contents, PersonCommand, PersonCommandKind, PersonEvent, Reason};
use crate::{Aggregate, CqrsType, DecideContext, Rejection};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// The most that was asked for.
    pub requested: Option<Contents>,
    pub forgotten: BTreeSet<Class>,
    pub held: bool,
    pub hold_reason: Option<Personal<Reason>>,
}

impl CqrsType for Person {
    const NAME: &'static str = "person";
}

impl Aggregate for Person {
    const CONTEXT: Name = crate::platform::CONTEXT;
    const TYPE: Name = Name::constant(Self::NAME);
    const SNAPSHOT_SCHEMA: i32 = 1;
    type Command = PersonCommand;
    type Event = PersonEvent;

    fn authorise(&self, command: &str, context: &DecideContext) -> Result<(), Rejection> {
        PersonCommandKind::parse(command).map_or(Ok(()), |kind| Self::may(kind, context))
    }

    fn decide(
        &self,
        command: &PersonCommand,
        context: &DecideContext,
    ) -> Result<Vec<PersonEvent>, Rejection> {
        self.decided(command, context)
    }

    fn apply(&mut self, event: &PersonEvent) {
        match event {
            PersonEvent::ForgetRequested(requested) => {
                self.requested = self.requested.max(Some(requested.content));
            }
            PersonEvent::Forgotten(forgotten) => self.forgotten.extend(&forgotten.classes),
            PersonEvent::HoldPlaced(placed) => {
                self.held = true;
                self.hold_reason.clone_from(&placed.reason);
            }
            PersonEvent::HoldReleased(_) => {
                self.held = false;
                self.hold_reason = None;
            }
        }
    }

    /// Without being begun: what the platform owes a person it owes from the first moment.
    fn exists(&self) -> bool {
        true
    }
}
