-- Nodes as the search finds and shows them: public community content only. Null in a field that
-- every node has means that it was redacted, and `redacted` names it. What nobody may find
-- (hidden, revoked) keeps its fields, because it may come back, and has no words.
create table node_search (
    id                uuid primary key,
    kind              text collate "C",
    title             text,
    summary           text,
    info              text,
    tags              text[] collate "C",
    address           text,
    lat               double precision,
    lon               double precision,
    search_visibility text collate "C" not null,
    created_by        uuid,
    conversation_id   uuid not null,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    version           bigint not null,
    redacted          text[] collate "C" not null,
    -- The title's words, folded.
    title_words       text collate "C",
    -- Those of title, kind and tags: where typing errors are forgiven.
    names             text collate "C",
    -- Folded words and their stems. Weights: A title, B kind and tags, C summary and the ends of
    -- compounds, D everything else.
    vector            tsvector
) with (fillfactor = 90);

-- Where a suggestion may begin: at a public node's title and at each later word of it.
create table node_search_start (
    node_id uuid not null,
    word    smallint not null,
    start   text collate "C" not null,
    title   text collate "C" not null,
    primary key (node_id, word)
);

-- Accounts, as far as the search has to know them.
create table node_search_owner (
    id     uuid primary key,
    active boolean not null
);
