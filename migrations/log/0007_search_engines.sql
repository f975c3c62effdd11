-- Search engines that are servers of their own: who feeds each of them, how far its generations
-- are, and which documents it did not take. The Postgres engine is a read model and not in here.
-- `namespace` is what their names begin with, where several installations share a server.

create table search_engines (
    engine     text collate "C" not null check (engine ~ '^[a-z]{1,40}$'),
    namespace  text collate "C" not null check (namespace ~ '^[a-z0-9_]{1,40}$'),
    -- One writer per engine, because engines compare no versions: whoever holds this, until then.
    holder     uuid,
    held_until timestamptz,
    -- A rebuild that waits for it: nobody else renews it meanwhile.
    wanted_by    uuid,
    wanted_until timestamptz,
    -- Why it does not move; names kinds, never values.
    problem    text,
    primary key (engine, namespace)
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

create table search_generations (
    engine     text collate "C" not null,
    namespace  text collate "C" not null,
    generation integer not null check (generation >= 1),
    -- building: being filled; live: answers; retained: kept for a way back, not fed.
    state      text collate "C" not null check (state in ('building', 'live', 'retained')),
    epoch      integer not null,
    position   bigint not null check (position >= 0),
    -- Who fills it, as in search_engines.holder: gone from there, nobody does any more.
    builder    uuid,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    primary key (engine, namespace, generation),
    foreign key (engine, namespace) references search_engines on delete cascade
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
create unique index search_generations_live on search_generations (engine, namespace) where state = 'live';

-- A document an engine refused, or that cannot be made: its node waits for its next change or for
-- a repair, everything else goes on.
create table search_refused (
    engine     text collate "C" not null,
    namespace  text collate "C" not null,
    generation integer not null,
    node_id    uuid not null,
    position   bigint not null,
    reason     text not null,
    refused_at timestamptz not null default clock_timestamp(),
    primary key (engine, namespace, generation, node_id),
    foreign key (engine, namespace, generation) references search_generations on delete cascade
);

grant select, insert, update on search_engines to weltgewebe_runtime;
grant select, insert, update, delete on search_generations, search_refused to weltgewebe_runtime;
