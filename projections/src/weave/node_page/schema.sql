-- One row per node that ever was: a removed one keeps its title only, as a tombstone.
create table node_page (
    id                uuid primary key,
    kind              text,
    title             text,
    summary           text,
    info              text,
    tags              text[],
    address           text,
    lat               double precision,
    lon               double precision,
    search_visibility text collate "C" not null,
    created_by        uuid,
    conversation_id   uuid not null,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    version           bigint not null,
    redacted          text[] not null,
    removed_at        timestamptz
) with (fillfactor = 90);

-- What was done to it. Rows of their own: a node revised a thousand times is not written anew
-- with all its history a thousand times. The actor is null when it was no person.
create table node_history (
    node_id  uuid not null,
    version  bigint not null,
    position bigint not null,
    at       timestamptz not null,
    type     text collate "C" not null,
    actor    uuid,
    primary key (node_id, version)
);
