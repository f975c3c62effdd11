-- Threads: one per account, type and conversation; `started_at` is the time of its last act. How
-- faded a thread is, time alone says, so it is not here.
create table thread (
    id              uuid primary key,
    account_id      uuid not null,
    type            text collate "C" not null,
    conversation_id uuid not null,
    started_at      timestamptz not null
) with (fillfactor = 80);

-- The node's end of its threads; without a cell when it was removed or its place redacted.
create table thread_node (
    conversation_id uuid primary key,
    node_id         uuid not null,
    cell            bigint,
    lat             double precision,
    lon             double precision,
    removed         boolean not null,
    last_act_at     timestamptz not null
) with (fillfactor = 70);

-- Accounts that left, and with them all their threads.
create table thread_left (
    account_id uuid primary key
);
