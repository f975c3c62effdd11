//! The demo neighbourhood: what a first start on private servers shows, so that a map, threads and
//! conversations are not empty. Everything goes through the same commands as everybody's.
//!
//! Ids are derived from names: a start that died half-way is gone on with by the next one.

mod people;
mod places;
mod talk;

use std::{fs, io, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use commands::{
    Answer, Caller, CommandError, CommandRequest, Executor, ExecutorConfig, ExecutorDeps, Handler,
};
use domain::{
    PlatformRoles, Rejection,
    weave::{
        account::{Account, AccountCommand, DescribeAccount, PlaceAccount, PromoteAccount, RegisterAccount},
        conversation::{ConversationKind, conversation_id},
        message::{Message, MessageCommand, PostMessage},
        node::{Node, NodeCommand, TieNode},
        values::{
            Change, Email, Kind, Location, MapState, MessageContent, NodeAddress, NodeTags, Radius,
            SearchVisibility, Summary, Title,
        },
    },
};
use kernel::{Clock, ManualClock};
use uuid::Uuid;

use self::{people::PEOPLE, places::PLACES, talk::TALK};
use super::BootError;

struct Place {
    title: &'static str,
    kind: &'static str,
    lat: f64,
    lon: f64,
    district: &'static str,
    summary: &'static str,
    tags: &'static [&'static str],
}

struct Person {
    title: &'static str,
    summary: &'static str,
    lat: f64,
    lon: f64,
    radius_m: u32,
    weaver: bool,
}

struct Said {
    place: &'static str,
    /// Index into the people.
    person: usize,
    hours_ago: i64,
    content: &'static str,
}

/// Holds when the demo was begun; there until all of it is in.
const UNFINISHED: &str = "demo-unfinished";
/// People come first, then places are tied over these hours before the start, evenly.
const REGISTERED_HOURS_AGO: i64 = 40 * 24;
const TIED_HOURS_AGO: (i64, i64) = (30 * 24, 1);

/// Notes that a first start has begun, before anything is written to the log: who starts after a
/// start that died knows what was left undone.
///
/// # Errors
/// [`BootError`] when the note cannot be written.
pub(super) fn begin(data_dir: &Path, now: DateTime<Utc>) -> Result<(), BootError> {
    let marker = data_dir.join(UNFINISHED);
    file(fs::write(&marker, now.to_rfc3339()), &marker)
}

/// Loads the demo where a start has begun it.
///
/// # Errors
/// [`BootError`] when a command fails for another reason than that it was done already.
pub(super) async fn load(
    data_dir: &Path,
    deps: &ExecutorDeps,
    progress: super::Progress<'_>,
) -> Result<(), BootError> {
    let marker = data_dir.join(UNFINISHED);
    let begun = match fs::read_to_string(&marker) {
        Ok(text) => text.trim().parse().unwrap_or_else(|_| deps.clock.now()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(());
        }
        Err(error) => return Err(BootError::File { path: marker, error }),
    };
    progress("loading the demo neighbourhood: places of Hamburg, invented people (--demo off: without)");
    Demo::new(deps, begun).run().await.map_err(|error| BootError::Dev(error.to_string()))?;
    file(fs::remove_file(&marker), &marker)
}

fn file(done: io::Result<()>, path: &Path) -> Result<(), BootError> {
    done.map_err(|error| BootError::File { path: path.to_owned(), error })
}

/// Commands at times in the past.
struct Demo {
    executor: Executor,
    clock: Arc<ManualClock>,
    begun: DateTime<Utc>,
}

impl Demo {
    fn new(deps: &ExecutorDeps, begun: DateTime<Utc>) -> Self {
        let clock = Arc::new(ManualClock::at(begun));
        let deps = ExecutorDeps { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..deps.clone() };
        Self { executor: Executor::new(deps, ExecutorConfig::default()), clock, begun }
    }

    async fn run(&self) -> Result<(), CommandError> {
        for person in PEOPLE {
            self.register(person).await?;
        }
        // In the order of time, as they would have happened.
        let (from, to) = TIED_HOURS_AGO;
        let mut acts: Vec<(i64, Act)> = PLACES
            .iter()
            .enumerate()
            .map(|(index, place)| {
                let hours_ago = from - (from - to) * index as i64 / (PLACES.len() as i64 - 1);
                // Every place exists before anybody talks about it.
                let first = TALK.iter().filter(|said| said.place == place.title).map(|said| said.hours_ago);
                let hours_ago = first.max().map_or(hours_ago, |talk| hours_ago.max(talk + 12));
                (hours_ago, Act::Tie(place, &PEOPLE[index % PEOPLE.len()]))
            })
            .chain(TALK.iter().map(|said| (said.hours_ago, Act::Say(said))))
            .collect();
        acts.sort_by_key(|(hours_ago, _)| -hours_ago);
        for (hours_ago, act) in acts {
            self.at(hours_ago);
            match act {
                Act::Tie(place, person) => self.tie(place, person).await?,
                Act::Say(said) => self.say(said).await?,
            }
        }
        Ok(())
    }

    fn at(&self, hours_ago: i64) {
        self.clock.set(self.begun - TimeDelta::hours(hours_ago));
    }

    async fn register(&self, person: &Person) -> Result<(), CommandError> {
        let id = person_id(person);
        self.at(REGISTERED_HOURS_AGO);
        let register = AccountCommand::Register(RegisterAccount {
            title: Title::parse(person.title)?,
            email: Email::parse(format!("demo-{}@localhost", id.simple()))?,
        });
        self.run_one::<Account>(id, id, register.name(), register).await?;
        if person.weaver {
            let promote = AccountCommand::Promote(PromoteAccount { proposal_id: None });
            let request = CommandRequest::begun_by(Caller::System, id);
            done(self.executor.execute::<Account>(request, promote.name(), Ok(promote)).await)?;
        }
        let describe = AccountCommand::Describe(DescribeAccount {
            summary: Change::Set(Summary::parse(person.summary)?),
            ..DescribeAccount::default()
        });
        self.run_one::<Account>(id, id, describe.name(), describe).await?;
        let place = AccountCommand::Place(PlaceAccount {
            map_state: MapState::Radius,
            location: Some(Location::parse(person.lat, person.lon)?),
            radius_m: Some(Radius::parse(person.radius_m)?),
            // From the id: a start that goes on where another died shows nobody somewhere else.
            u: share(id, 0),
            v: share(id, 8),
        });
        self.run_one::<Account>(id, id, place.name(), place).await
    }

    async fn tie(&self, place: &Place, person: &Person) -> Result<(), CommandError> {
        let tie = NodeCommand::Tie(TieNode {
            title: Title::parse(place.title)?,
            kind: Kind::parse(place.kind)?,
            address: NodeAddress::parse(format!("{}, Hamburg", place.district))?,
            location: Location::parse(place.lat, place.lon)?,
            summary: Some(Summary::parse(place.summary)?),
            info: None,
            tags: NodeTags::parse(place.tags)?,
            search_visibility: SearchVisibility::default(),
        });
        self.run_one::<Node>(person_id(person), place_id(place.title), tie.name(), tie).await
    }

    async fn say(&self, said: &Said) -> Result<(), CommandError> {
        let author = person_id(&PEOPLE[said.person]);
        let post = MessageCommand::Post(PostMessage {
            conversation_id: conversation_id(ConversationKind::Node, place_id(said.place)),
            content: MessageContent::parse(said.content)?,
        });
        let id = demo_id("message", &format!("{}:{}", said.place, said.content));
        self.run_one::<Message>(author, id, post.kind().name(), post).await
    }

    async fn run_one<A: Handler>(
        &self,
        actor: Uuid,
        id: Uuid,
        word: &str,
        command: A::Command,
    ) -> Result<(), CommandError> {
        let caller = Caller::Account { id: actor, platform: PlatformRoles::default() };
        done(self.executor.execute::<A>(CommandRequest::begun_by(caller, id), word, Ok(command)).await)
    }
}

enum Act {
    Tie(&'static Place, &'static Person),
    Say(&'static Said),
}

/// An earlier start did it.
fn done(answer: Result<Answer, CommandError>) -> Result<(), CommandError> {
    match answer {
        Ok(_) | Err(CommandError::Rejected(Rejection { code: "already-exists" | "not-a-guest", .. })) => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn demo_id(kind: &str, name: &str) -> Uuid {
    const NAMESPACE: Uuid = Uuid::from_u128(0x9d0c_6b1a_4e35_5f7d_a2c8_0e44_d713_96bf);
    Uuid::new_v5(&NAMESPACE, format!("{kind}:{name}").as_bytes())
}

fn person_id(person: &Person) -> Uuid {
    demo_id("person", person.title)
}

/// A number in 0..1 out of eight bytes of an id.
fn share(id: Uuid, from: usize) -> f64 {
    let bytes = id.as_bytes()[from..from + 8].iter();
    bytes.fold(0.0, |share, byte| (share + f64::from(*byte)) / 256.0)
}

fn place_id(title: &str) -> Uuid {
    demo_id("place", title)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_neighbourhood_is_as_large_as_promised_and_names_are_unique() {
        assert!(PLACES.len() >= 60 && PEOPLE.len() >= 12);
        let titles: BTreeSet<_> = PLACES.iter().map(|place| place.title).collect();
        assert_eq!(titles.len(), PLACES.len());
        for said in TALK {
            assert!(titles.contains(said.place), "{}", said.place);
            assert!(said.person < PEOPLE.len());
        }
    }

    #[test]
    fn coordinates_are_approximate_and_in_hamburg_and_addresses_have_no_numbers() {
        for place in PLACES {
            assert!((53.3..53.8).contains(&place.lat) && (9.7..10.4).contains(&place.lon), "{}", place.title);
            for degrees in [place.lat, place.lon] {
                assert!((degrees * 1000.0 - (degrees * 1000.0).round()).abs() < 1e-6, "{}", place.title);
            }
            assert!(!place.district.chars().any(|c| c.is_ascii_digit()));
        }
    }

    #[test]
    fn some_threads_have_faded_and_some_are_fresh() {
        let fresh = TALK.iter().filter(|said| said.hours_ago < 168).count();
        assert!(fresh >= 5 && TALK.len() - fresh >= 5);
    }
}
