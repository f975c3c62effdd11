use std::{collections::BTreeSet, fmt, str::FromStr};

/// One job a process can take on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Answers commands.
    Command,
    /// Answers queries.
    Query,
    /// Publishes the log to the stream.
    Relay,
    /// Feeds the read models.
    Projector,
    /// Follows events with commands of the system.
    Reactor,
    /// Signs checkpoints over the log.
    Sealer,
}

impl Role {
    pub const ALL: [Self; 6] =
        [Self::Command, Self::Query, Self::Relay, Self::Projector, Self::Reactor, Self::Sealer];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Query => "query",
            Self::Relay => "relay",
            Self::Projector => "projector",
            Self::Reactor => "reactor",
            Self::Sealer => "sealer",
        }
    }
}

/// The jobs of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut roles = BTreeSet::new();
        for word in text.split(',').map(str::trim) {
            match word {
                "all" => roles.extend(Role::ALL),
                "feeder" => {
                    return Err(format!("the role `{word}` comes with a later version"));
                }
                _ => match Role::ALL.into_iter().find(|role| role.name() == word) {
                    Some(role) => _ = roles.insert(role),
                    None => {
                        return Err(format!(
                            "`{word}` is none of all, command, query, relay, projector, reactor, sealer"
                        ));
                    }
                },
            }
        }
        Ok(Self(roles))
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|role| role.name()).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_a_comma_list_or_all() {
        let all: Roles = "all".parse().unwrap();
        assert!(Role::ALL.into_iter().all(|role| all.has(role)));
        let two: Roles = "relay, command".parse().unwrap();
        assert_eq!(two.to_string(), "command,relay");
        assert!(!two.has(Role::Query));
    }

    #[test]
    fn a_role_of_a_later_version_says_so() {
        assert!("feeder".parse::<Roles>().unwrap_err().contains("later version"));
        assert!("cook".parse::<Roles>().unwrap_err().contains("none of"));
        assert!("".parse::<Roles>().is_err());
    }
}
