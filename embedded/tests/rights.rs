//! What each login may do, asked of the servers themselves.

mod support;

use async_nats::jetstream::{consumer, stream};
use embedded::{NatsUser, Part};
use futures::StreamExt;
use sqlx::{Connection, PgConnection};
use support::{nats_as, one, start};

fn events() -> stream::Config {
    stream::Config { name: "EVENTS".into(), subjects: vec!["events.>".into()], ..Default::default() }
}

#[tokio::test]
async fn nats_users_may_do_their_work_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path(), &[Part::Nats]).await;
    let nats = &cluster.endpoints().nats;
    let relay = nats_as(nats, NatsUser::Relay).await;
    let app = nats_as(nats, NatsUser::App).await;
    let redactor = nats_as(nats, NatsUser::Redactor).await;

    relay.create_stream(events()).await.unwrap();
    for _ in 0..3 {
        relay.publish("events.weave.node", "x".into()).await.unwrap().await.unwrap();
    }

    // The application reads, acknowledges and asks …
    let stream = app.get_stream("EVENTS").await.unwrap();
    let pull = consumer::pull::Config { durable_name: Some("reader".into()), ..Default::default() };
    let consumer = stream.create_consumer(pull).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    for sequence in 1..=3 {
        let message = messages.next().await.unwrap().unwrap();
        assert_eq!(message.info().unwrap().stream_sequence, sequence);
        message.double_ack().await.unwrap();
    }
    stream.get_raw_message(2).await.unwrap();

    // … and may not write, cut or delete.
    assert!(app.publish("events.weave.node", "forged".into()).await.unwrap().await.is_err());
    assert!(stream.delete_message(1).await.is_err());
    assert!(stream.purge().await.is_err());
    assert!(app.delete_stream("EVENTS").await.is_err());
    assert!(app.update_stream(stream::Config { max_messages: 1, ..events() }).await.is_err());
    let other = stream::Config { name: "OTHER".into(), ..Default::default() };
    assert!(app.create_stream(other).await.is_err());

    // The redactor deletes single messages and nothing more.
    let stream = redactor.get_stream("EVENTS").await.unwrap();
    stream.delete_message(2).await.unwrap();
    assert!(stream.purge().await.is_err());
    assert!(redactor.publish("events.weave.node", "forged".into()).await.unwrap().await.is_err());

    let admin = nats_as(nats, NatsUser::Admin).await;
    let mut stream = admin.get_stream("EVENTS").await.unwrap();
    let state = stream.info().await.unwrap().state.clone();
    assert_eq!((state.messages, state.first_sequence, state.last_sequence), (2, 1, 3));
    admin.delete_stream("EVENTS").await.unwrap();
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn nobody_gets_in_without_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path(), &Part::NEEDED).await;
    let endpoints = cluster.endpoints();
    let guess = |url: &str| {
        let (login, address) = url.rsplit_once('@').unwrap();
        let (user, _) = login.rsplit_once(':').unwrap();
        format!("{user}:guessed@{address}")
    };
    for url in [&endpoints.owner_database_url, &endpoints.database_url, &endpoints.database_socket_url] {
        let error = PgConnection::connect(&guess(url)).await.err().unwrap().to_string();
        assert!(error.contains("password authentication failed"), "{error}");
    }
    assert!(PgConnection::connect(&guess(&endpoints.keys_database_url)).await.is_err());
    assert!(async_nats::connect(&endpoints.nats.url).await.is_err());
    let guessed = async_nats::ConnectOptions::with_user_and_password("app".into(), "guessed".into());
    assert!(guessed.connect(&endpoints.nats.url).await.is_err());
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn login_roles_are_bounded_and_the_log_of_postgres_tells_nothing_personal() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path(), &[Part::Log, Part::Keys]).await;
    let endpoints = cluster.endpoints();
    for url in [&endpoints.database_url, &endpoints.keys_database_url] {
        let settings = "select concat_ws(' ', current_setting('statement_timeout'), \
                        current_setting('idle_in_transaction_session_timeout'), \
                        current_setting('client_connection_check_interval'), current_setting('lock_timeout'), \
                        current_setting('fsync'), current_setting('synchronous_commit'), current_setting('jit'))";
        assert_eq!(one(url, settings).await, "30s 1min 1s 10s on on off");
        let rights = "select concat_ws(' ', rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls) \
                      from pg_roles where rolname = current_user";
        assert_eq!(one(url, rights).await, "f f f f f");
        let locale = "select concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype) \
                      from pg_database where datname = current_database()";
        assert_eq!(one(url, locale).await, "UTF8 C C");
    }
    let mut connection = PgConnection::connect(&endpoints.owner_database_url).await.unwrap();
    for statement in [
        "create table person (email text unique)",
        "insert into person values ('anna@example.org')",
        "insert into person values ('anna@example.org')",
        "select 'anna@example.org'::int",
        "do $$ begin raise warning 'anna@example.org'; end $$",
    ] {
        let _ = sqlx::query(statement).execute(&mut connection).await;
    }
    let _ = sqlx::query("select $1::text::int").bind("anna@example.org").execute(&mut connection).await;
    drop(connection);
    cluster.shutdown().await.unwrap();
    let log = std::fs::read_to_string(dir.path().join("logs/postgres-log.log")).unwrap();
    assert!(log.contains("database system is ready"), "{log}");
    assert!(!log.contains("anna"), "{log}");
}
