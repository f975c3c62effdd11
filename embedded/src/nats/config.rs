//! nats.conf: limits, and what each user may do.

use crate::endpoints::{NatsUser, NatsUsers};
use crate::settings::Tuning;

/// Subjects a user may publish to and subscribe to. Everything else is refused by the
/// server, so that a bug in the application cannot write, cut or delete the stream.
struct Rights {
    publish: &'static [&'static str],
    subscribe: &'static [&'static str],
}

const RELAY: Rights = Rights {
    publish: &["events.>", "$JS.API.>", "_INBOX.>", "ctl.>"],
    subscribe: &["_INBOX.>", "ctl.>", "$JS.EVENT.>"],
};

/// Reads the stream through consumers. Creating one is allowed, creating, changing, purging
/// or deleting a stream and deleting a message is not.
const APP: Rights = Rights {
    publish: &[
        "$JS.API.INFO",
        "$JS.API.CONSUMER.>",
        "$JS.API.STREAM.INFO.>",
        "$JS.API.STREAM.MSG.GET.>",
        "$JS.API.DIRECT.GET.>",
        "$JS.ACK.>",
        "$JS.FC.>",
        "ctl.>",
        "_INBOX.>",
    ],
    subscribe: &["_INBOX.>", "ctl.>"],
};

/// Forgetting a person: finds and deletes single messages, nothing else.
const REDACTOR: Rights = Rights {
    publish: &[
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.>",
        "$JS.API.STREAM.MSG.GET.>",
        "$JS.API.STREAM.MSG.DELETE.>",
        "$JS.API.DIRECT.GET.>",
    ],
    subscribe: &["_INBOX.>"],
};

const ADMIN: Rights = Rights { publish: &[">"], subscribe: &[">"] };

pub fn nats_conf(port: u16, users: &NatsUsers, tuning: &Tuning) -> String {
    let users: String = NatsUser::ALL.map(|user| user_entry(user, users.password(user))).concat();
    let Tuning { nats_max_file_store, nats_max_memory_store, nats_max_payload, .. } = tuning;
    // The store's path is relative to the working directory, so no path needs quoting here.
    format!(
        "# Written by weltgewebe at every start: change Tuning, not this file.\n\
         server_name: weltgewebe\n\
         listen: \"127.0.0.1:{port}\"\n\
         max_payload: {nats_max_payload}\n\
         jetstream {{\n  store_dir: \"jetstream\"\n  max_file_store: {nats_max_file_store}\n  \
         max_memory_store: {nats_max_memory_store}\n}}\n\
         authorization {{\n  users = [\n{users}  ]\n}}\n"
    )
}

fn user_entry(user: NatsUser, password: &str) -> String {
    let Rights { publish, subscribe } = match user {
        NatsUser::Relay => RELAY,
        NatsUser::App => APP,
        NatsUser::Redactor => REDACTOR,
        NatsUser::Admin => ADMIN,
    };
    let (name, publish, subscribe) = (user.name(), list(publish), list(subscribe));
    format!(
        "    {{ user: \"{name}\", password: \"{password}\", \
         permissions: {{ publish: [{publish}], subscribe: [{subscribe}] }} }}\n"
    )
}

fn list(subjects: &[&str]) -> String {
    subjects.iter().map(|subject| format!("\"{subject}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_has_no_right_to_change_the_stream() {
        for subject in APP.publish {
            assert!(!subject.starts_with("events"), "{subject}");
            for word in ["CREATE", "UPDATE", "DELETE", "PURGE", "RESTORE"] {
                assert!(!subject.contains(&format!("STREAM.{word}")), "{subject}");
            }
            assert_ne!(*subject, "$JS.API.STREAM.>");
            assert_ne!(*subject, "$JS.API.>");
        }
    }
}
