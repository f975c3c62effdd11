-- Nodes on the map. Public community content only; null in a field that every node has means
-- that it was redacted, and `redacted` names it. A node without a place (redacted) has no cell.
create table node_map (
    id                uuid primary key,
    cell              bigint,
    lat               double precision,
    lon               double precision,
    kind              text collate "C",
    title             text,
    summary           text,
    info              text,
    tags              text[] collate "C",
    address           text,
    search_visibility text collate "C" not null,
    created_by        uuid,
    conversation_id   uuid not null,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    version           bigint not null,
    redacted          text[] collate "C" not null
) with (fillfactor = 90);

-- The order of the map: a page of a city lies together on disk pages and in the index.
create unique index node_map_order on node_map (cell, id);
-- A rare kind or tag is found by itself, wherever it is.
create index node_map_kind on node_map (kind);
create index node_map_tags on node_map using gin (tags);
