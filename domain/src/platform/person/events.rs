use kernel::{Class, Personal};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Contents, Reason};
use crate::payload::events;

/// From here on the request is worked on until it is done, whatever happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForgetRequested {
    pub account_id: Uuid,
    pub request_id: Uuid,
    pub content: Contents,
    /// Class identity, about the person: gone when they are forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Personal<Reason>>,
}

/// The keys of these classes are destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonForgotten {
    pub account_id: Uuid,
    pub classes: Vec<Class>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HoldPlaced {
    pub account_id: Uuid,
    /// Class identity; absent when nothing about who they are is kept any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Personal<Reason>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HoldReleased {
    pub account_id: Uuid,
    /// Class identity; absent when nothing about who they are is kept any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Personal<Reason>>,
}

events! {
    PersonEvent {
        ForgetRequested(ForgetRequested, Box<ForgetRequested>) = "ForgetRequested" v 1,
        Forgotten(PersonForgotten, PersonForgotten) = "PersonForgotten" v 1,
        HoldPlaced(HoldPlaced, Box<HoldPlaced>) = "HoldPlaced" v 1,
        HoldReleased(HoldReleased, Box<HoldReleased>) = "HoldReleased" v 1,
    }
}
