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
