-- The log: one head row, the streams, the partitioned events, and what an append writes beside them.
-- Runs as the owner. The application logs in as another role that is a member of weltgewebe_runtime.

do $$
begin
    if not exists (select from pg_roles where rolname = 'weltgewebe_runtime') then
        create role weltgewebe_runtime nologin;
    end if;
exception when insufficient_privilege then
    raise exception 'role weltgewebe_runtime is missing and this user may not create it'
        using hint = 'create role weltgewebe_runtime nologin; then migrate again';
end
$$;

-- The last position given out. One row; every append takes it last and holds it for one insert
-- and one flush. (system_identifier, timeline) name the server this head belongs to: a promoted
-- replica carries the row, but not the timeline, and is refused until `replay epoch advance`.
create table log_head (
    the_one           boolean primary key default true check (the_one),
    epoch             integer not null,
    position          bigint not null check (position >= 0),
    recorded_at       timestamptz not null,
    system_identifier bigint not null,
    timeline          integer not null
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

create function current_timeline() returns integer language sql volatile
return ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer;

insert into log_head (epoch, position, recorded_at, system_identifier, timeline)
select 1, 0, clock_timestamp(), system_identifier, current_timeline() from pg_control_system();

-- Where each epoch begins. An epoch ends only by a failover that lost or forked a tail.
create table epochs (
    epoch          integer primary key,
    first_position bigint not null,
    started_at     timestamptz not null default clock_timestamp(),
    reason         text not null
);
insert into epochs (epoch, first_position, reason) values (1, 1, 'first start');

-- One row per aggregate: the lock and the expected version live here. The id alone is the key,
-- over all types, so that an id can never mean two things.
create table streams (
    aggregate_id   uuid primary key,
    aggregate_type text collate "C" not null,
    version        bigint not null check (version >= 1),
    first_position bigint not null,
    last_position  bigint not null,
    external_id    text
) with (fillfactor = 80);

create table events (
    position       bigint not null,
    version        bigint not null,
    recorded_at    timestamptz not null,
    event_id       uuid not null,
    aggregate_id   uuid not null,
    schema_version integer not null,
    aggregate_type text collate "C" not null,
    type           text collate "C" not null,
    payload        jsonb not null,
    metadata       jsonb not null,
    salt           bytea,
    payload_hash   bytea not null,
    primary key (position)
) partition by range (position);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the event log is append-only' using errcode = 'WG003';
end
$$;

-- Row triggers are cloned to every partition by PostgreSQL, TRUNCATE triggers are not:
-- ensure_partitions sets those.
create trigger append_only before update or delete on events
    for each row execute function refuse_change();
create trigger append_only_truncate before truncate on events
    for each statement execute function refuse_change();

-- Which partitions exist; size of the next one. 25 M positions is what keeps an index in memory
-- and a detach small; tests use less.
create table log_partitions (
    from_position bigint primary key,
    to_position   bigint not null,
    name          text not null unique
);
create table log_settings (
    the_one         boolean primary key default true check (the_one),
    partition_size  bigint not null default 25000000 check (partition_size > 0)
);
insert into log_settings default values;

-- Outcome of a command with an idempotency key. Only hashes: the key may be personal.
-- first_version..: the request's events are contiguous from that event on, so the answer is
-- rebuilt from the log; `position` is set only for a no-op, which has no events.
create table command_receipts (
    key_hash      bytea primary key,
    fingerprint   bytea not null,
    aggregate_id  uuid not null,
    first_version bigint not null,
    event_count   integer not null,
    position      bigint,
    created_at    timestamptz not null
);
create index command_receipts_age on command_receipts using brin (created_at);

-- Uniqueness and counted quotas. Keyed hashes, erasable, never in an event.
create table reservations (
    scope      text collate "C" not null,
    key_hash   bytea not null,
    owner      uuid not null,
    count      bigint not null default 1,
    expires_at timestamptz,
    primary key (scope, key_hash)
) with (fillfactor = 80);
create index reservations_owner on reservations (owner);
create index reservations_expiry on reservations (expires_at) where expires_at is not null;

-- How far each reactor is: moved by the append that does what it reacts with, never replayed.
create table reactor_checkpoints (
    reactor  text collate "C" primary key,
    position bigint not null,
    cursor   text not null default '',
    moved_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

create table snapshots (
    aggregate_id   uuid primary key,
    aggregate_type text collate "C" not null,
    version        bigint not null,
    schema_version integer not null,
    state          jsonb not null,
    taken_at       timestamptz not null default clock_timestamp()
);
