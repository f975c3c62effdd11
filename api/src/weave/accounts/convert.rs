use domain::{
    Rejection,
    weave::{
        account::{self, AccountCommand},
        values::{AccountTags, ContactAddress, Email, MapState, Radius, Summary, Title},
    },
};
use rand::RngExt;

use super::wire::{
    ChangeEmail, DescribeAccount, DisableAccount, LeaveAccount, PlaceAccount, PromoteAccount,
    ReactivateAccount, RegisterAccount,
};
use crate::weave::Point;

impl TryFrom<RegisterAccount> for AccountCommand {
    type Error = Rejection;

    fn try_from(wire: RegisterAccount) -> Result<Self, Rejection> {
        let title = Title::parse(wire.title)?;
        Ok(Self::Register(account::RegisterAccount { title, email: Email::parse(wire.email)? }))
    }
}

impl TryFrom<DescribeAccount> for AccountCommand {
    type Error = Rejection;

    fn try_from(wire: DescribeAccount) -> Result<Self, Rejection> {
        Ok(Self::Describe(account::DescribeAccount {
            title: wire.title.map(Title::parse).transpose()?,
            summary: wire.summary.try_map(Summary::parse)?,
            tags: wire.tags.map(AccountTags::parse).transpose()?,
            address: wire.address.try_map(ContactAddress::parse)?,
        }))
    }
}

impl TryFrom<PlaceAccount> for AccountCommand {
    type Error = Rejection;

    fn try_from(wire: PlaceAccount) -> Result<Self, Rejection> {
        let map_state = MapState::parse(&wire.map_state)?;
        let location = wire.location.map(Point::parse).transpose()?;
        // What does not fit into the type is out of the rule's range as well.
        let metres = wire.radius_m.map(|metres| u32::try_from(metres).unwrap_or(u32::MAX));
        let radius_m = metres.map(Radius::parse).transpose()?;
        // A ChaCha generator seeded by the operating system: the public point must not be
        // predictable, or the anchor could be computed back from it.
        let mut random = rand::rng();
        let (u, v) = (random.random::<f64>(), random.random::<f64>());
        Ok(Self::Place(account::PlaceAccount { map_state, location, radius_m, u, v }))
    }
}

impl TryFrom<ChangeEmail> for AccountCommand {
    type Error = Rejection;

    fn try_from(wire: ChangeEmail) -> Result<Self, Rejection> {
        Ok(Self::ChangeEmail(account::ChangeEmail { email: Email::parse(wire.email)? }))
    }
}

impl TryFrom<DisableAccount> for AccountCommand {
    type Error = Rejection;

    fn try_from(DisableAccount {}: DisableAccount) -> Result<Self, Rejection> {
        Ok(Self::Disable(account::DisableAccount))
    }
}

impl TryFrom<ReactivateAccount> for AccountCommand {
    type Error = Rejection;

    fn try_from(ReactivateAccount {}: ReactivateAccount) -> Result<Self, Rejection> {
        Ok(Self::Reactivate(account::ReactivateAccount))
    }
}

impl TryFrom<PromoteAccount> for AccountCommand {
    type Error = Rejection;

    fn try_from(wire: PromoteAccount) -> Result<Self, Rejection> {
        Ok(Self::Promote(account::PromoteAccount { proposal_id: wire.proposal_id }))
    }
}

impl TryFrom<LeaveAccount> for AccountCommand {
    type Error = Rejection;

    fn try_from(LeaveAccount {}: LeaveAccount) -> Result<Self, Rejection> {
        Ok(Self::Leave(account::LeaveAccount))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(body: serde_json::Value) -> Result<AccountCommand, Rejection> {
        serde_json::from_value::<PlaceAccount>(body).unwrap().try_into()
    }

    #[test]
    fn a_broken_rule_points_at_its_field() {
        for metres in [-1_i64, 0, 49, 5_001, 4_294_967_346, i64::MAX] {
            let refused = place(json!({"map_state": "radius", "radius_m": metres})).unwrap_err();
            assert_eq!(refused.pointer, Some("/radius_m"), "{metres}");
        }
        assert_eq!(place(json!({"map_state": "everywhere"})).unwrap_err().pointer, Some("/map_state"));
    }

    #[test]
    fn every_placing_brings_new_random_numbers() {
        let drawn = || match place(json!({"map_state": "exact"})).unwrap() {
            AccountCommand::Place(place) => (place.u, place.v),
            _ => panic!(),
        };
        let (first, second) = (drawn(), drawn());
        assert_ne!(first, second);
        assert!((0.0..1.0).contains(&first.0) && (0.0..1.0).contains(&first.1));
    }
}
