-- Threads: one per account, type and conversation; `started_at` is the time of its last act. How
-- faded a thread is, time alone says, so it is not here.
create table thread (
    id              uuid primary key,
    account_id      uuid not null,
    type            text collate "C" not null,
    conversation_id uuid not null,
    started_at      timestamptz not null
) with (fillfactor = 80);

create index thread_of_account on thread (account_id, started_at, id);
create index thread_of_conversation on thread (conversation_id, started_at, id);

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

-- The order of the map.
create unique index thread_node_order on thread_node (cell, conversation_id);
-- The few nodes where something happened lately, wherever they are.
create index thread_node_recent on thread_node (last_act_at);

-- Accounts that left, and with them all their threads.
create table thread_left (
    account_id uuid primary key
);
