-- Work by the clock: when each job is due, who does it, and how it went. A row appears when a
-- process that knows the job asks for it first.

create table scheduled_jobs (
    job         text collate "C" primary key check (job ~ '^[a-z][a-z0-9-]{0,39}$'),
    -- Of the jobs of one group at most one runs at a time.
    job_group   text collate "C" not null,
    period      interval not null,
    due_at      timestamptz not null default clock_timestamp(),
    -- The lease: who works, until when unless it is renewed. `run` counts the leases given out;
    -- whoever holds an older one writes nothing any more.
    holder      uuid,
    held_until  timestamptz,
    run         bigint not null default 0,
    began_at    timestamptz,
    -- How it went.
    ended_at     timestamptz,
    succeeded_at timestamptz,
    seconds      double precision,
    runs         bigint not null default 0,
    failures     bigint not null default 0,
    -- Failures in a row.
    failing      integer not null default 0,
    -- What the last run did, or why it failed; names kinds, never values.
    said         text
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
grant select, insert, update on scheduled_jobs to weltgewebe_runtime;

-- Read models as of the past, for auditors and for finding out what went wrong. Each is a schema of
-- its own (`node_page_at_4711`) with views in `read_at_4711`; nobody feeds it, the application's
-- role cannot read it, and it stays until somebody drops it.
create table past_read_models (
    projection  text collate "C" not null check (projection ~ '^[a-z_]{1,40}$'),
    position    bigint not null check (position >= 1),
    epoch       integer not null,
    schema_name text collate "C" not null unique check (schema_name ~ '^[a-z_]+_at_[0-9]+$'),
    shape       bytea not null,
    -- How far a build got, with what went through and what it had to put aside ({key: position}):
    -- moved with the rows, so that a killed build goes on.
    filled_to   bigint not null default 0,
    event_count bigint not null default 0,
    digest      bigint not null default 0,
    parked      jsonb not null default '{}',
    created_at  timestamptz not null default clock_timestamp(),
    -- Compared with the log; before that it has no views.
    ready_at    timestamptz,
    primary key (projection, position)
);
