-- The outbox: one cursor row per destination. Positions are gapless, so the events themselves are
-- what waits to be sent; no row per event, no deletes.
--
-- The cursor is a hint for status and for a stream that was purged: the truth is the stream's own
-- last message. The lease only spares useless duplicate publishing: what keeps two relays apart is
-- the stream's refusal of a wrong last sequence.
create table outbox (
    destination text collate "C" primary key,
    epoch       integer not null,
    position    bigint not null check (position >= 0),
    lease_owner uuid,
    lease_until timestamptz,
    -- Why the relay does not publish, for who looks at the database only.
    problem     text,
    check ((lease_owner is null) = (lease_until is null))
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

grant select, insert, update on outbox to weltgewebe_runtime;
