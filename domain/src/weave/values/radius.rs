use serde::{Deserialize, Serialize};

use crate::Rejection;

/// How far from its anchor an account's public point may lie, in metres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Radius(u32);

impl Radius {
    /// Smaller would point at a single house.
    pub const MIN_M: u32 = 50;
    /// Larger would put the person into another neighbourhood.
    pub const MAX_M: u32 = 5_000;

    /// # Errors
    /// 422 `invalid-radius` outside of 50..=5000 metres.
    pub fn parse(metres: u32) -> Result<Self, Rejection> {
        if (Self::MIN_M..=Self::MAX_M).contains(&metres) {
            Ok(Self(metres))
        } else {
            Err(Rejection::invalid(
                "/radius_m",
                "invalid-radius",
                "The radius must lie between 50 and 5000 metres.",
            ))
        }
    }

    #[must_use]
    pub const fn metres(self) -> u32 {
        self.0
    }
}

impl Default for Radius {
    fn default() -> Self {
        Self(250)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_radius_has_50_to_5000_metres() {
        for (metres, fine) in
            [(0, false), (49, false), (50, true), (250, true), (5_000, true), (5_001, false)]
        {
            assert_eq!(Radius::parse(metres).is_ok(), fine, "{metres}");
        }
    }
}
