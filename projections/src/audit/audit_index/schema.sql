-- One row per event. Nothing personal: ids, names and times.
create table audit_index (
    position       bigint primary key,
    event_id       uuid not null,
    aggregate_type text collate "C" not null,
    aggregate_id   uuid not null,
    type           text collate "C" not null,
    -- Null: the system.
    actor          uuid,
    occurred_at    timestamptz not null,
    correlation_id uuid not null,
    causation_id   uuid not null
);
