-- Read models: where each generation of each projection stands, and what it had to put aside.
-- The rows themselves live in one schema per generation (`node_page_g7`), read through views in
-- the schema `read`. Generations are never renamed: a renamed schema shows a long reader nothing
-- and lets a late writer into the next generation.

create schema read;
grant usage on schema read to weltgewebe_runtime;

create table projection_checkpoints (
    projection      text collate "C" not null check (projection ~ '^[a-z_]{1,40}$'),
    generation      integer not null check (generation >= 1),
    epoch           integer not null,
    position        bigint not null check (position >= 0),
    -- The sentinel: how many events of the projection's types went through (applied, parked or
    -- skipped), and the XOR over the first 8 bytes of the SHA-256 of their ids.
    event_count     bigint not null default 0,
    digest          bigint not null default 0,
    -- building: filled by a rebuild; live: shown by the views; retained: fed for a way back.
    state           text collate "C" not null check (state in ('building', 'live', 'retained')),
    schema_name     text collate "C" not null unique check (schema_name ~ '^[a-z_]+[0-9]+$'),
    -- SHA-256 of the generation's DDL: code feeds only generations of its own shape.
    shape           bytea not null,
    -- A verifier stops the generation exactly here, for a minute at most unless renewed.
    pinned_at       bigint,
    pinned_until    timestamptz,
    pinned_by       uuid,
    -- Moves with every change of parked_events that is not the runner's own.
    parked_revision bigint not null default 0,
    -- Why it does not move; names kinds and places, never values.
    problem         text,
    created_at      timestamptz not null default clock_timestamp(),
    updated_at      timestamptz not null default clock_timestamp(),
    retired_at      timestamptz,
    primary key (projection, generation)
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
create unique index projection_checkpoints_live on projection_checkpoints (projection) where state = 'live';

-- Events a generation could not apply to a key, and all later ones of that key, in order.
create table parked_events (
    projection text collate "C" not null,
    generation integer not null,
    key        text collate "C" not null,
    position   bigint not null,
    event_id   uuid not null,
    -- Null for an event that only queues behind another.
    reason     text,
    attempts   integer not null default 1,
    parked_at  timestamptz not null default clock_timestamp(),
    primary key (projection, generation, key, position),
    foreign key (projection, generation) references projection_checkpoints on delete cascade
);

-- An operator's decision that one event has no effect on one key. Holds for every generation,
-- so that a rebuild comes to the same rows.
create table skipped_events (
    projection text collate "C" not null,
    key        text collate "C" not null,
    position   bigint not null,
    event_id   uuid not null,
    reason     text not null,
    skipped_at timestamptz not null default clock_timestamp(),
    primary key (projection, key, position)
);

-- The log's side of the sentinel.
create function event_digest(event_id uuid) returns bigint
    language sql immutable strict parallel safe
return ('x' || encode(substr(sha256(uuid_send(event_id)), 1, 8), 'hex'))::bit(64)::bigint;

grant select, update on projection_checkpoints to weltgewebe_runtime;
grant select, insert, update, delete on parked_events to weltgewebe_runtime;
grant select, insert on skipped_events to weltgewebe_runtime;
