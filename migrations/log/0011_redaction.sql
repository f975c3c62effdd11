-- Redaction: the one way in which a stored event can change. What slipped into a plain field is taken
-- out, its hash stays, and an event says what was removed, by whom and why, in the same transaction.

-- Instead of refusing every change: one in which a field and the salt go, and nothing else. The
-- setting is what redact_field below sets; whoever else may update events (the owner alone) is
-- stopped as before, and what they do by force is found by `replay audit verify`.
create function refuse_all_but_redaction() returns trigger language plpgsql as $$
declare
    v_path text[];
begin
    if tg_op = 'UPDATE' and current_setting('weltgewebe.redacting', true) like old.event_id || ' {%' then
        v_path := substr(current_setting('weltgewebe.redacting'), 38)::text[];
        if new.salt is null
            and new.payload = jsonb_set(old.payload, v_path, '{"$redacted": true}', false)
            and (new.position, new.version, new.recorded_at, new.event_id, new.aggregate_id,
                 new.schema_version, new.aggregate_type, new.type, new.metadata, new.payload_hash)
                is not distinct from
                (old.position, old.version, old.recorded_at, old.event_id, old.aggregate_id,
                 old.schema_version, old.aggregate_type, old.type, old.metadata, old.payload_hash)
        then
            return new;
        end if;
    end if;
    raise exception 'the event log is append-only' using errcode = 'WG003';
end
$$;
set local lock_timeout = '2s';
drop trigger append_only on events;
create trigger append_only before update or delete on events
    for each row execute function refuse_all_but_redaction();

-- Takes out one field and appends FieldRedacted, both or neither. p_version is the version of the
-- redaction's own stream before. Gives the position of that event.
-- Raises WG012 where there is no such event or field, WG013 where it is redacted already, WG014 for
-- personal data (whose keys are destroyed instead), WG001 when somebody else was faster.
create function redact_field(
    p_epoch integer, p_position bigint, p_event_id uuid, p_path text[],
    p_stream uuid, p_version bigint, p_id uuid, p_payload jsonb, p_metadata jsonb, p_salt bytea, p_hash bytea
) returns bigint
    -- Runs as the owner, and only the owner may call it: the application's role never changes an event.
    language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    v_payload jsonb;
    v_field   jsonb;
    v_after   jsonb;
    v_at      bigint;
    v_refused jsonb;
begin
    -- Of two at once the second waits here, and then sees what the first has left.
    select e.payload into v_payload from events e
    where e.position = p_position and e.event_id = p_event_id for update;
    v_field := v_payload #> p_path;
    if v_field is null or cardinality(p_path) = 0 then
        raise exception 'there is no such event or field' using errcode = 'WG012';
    elsif v_field = '{"$redacted": true}' then
        raise exception 'the field is redacted already' using errcode = 'WG013';
    elsif '$sealed' = any (p_path) or jsonb_path_exists(v_field, 'lax $.**."$sealed"') then
        raise exception 'the field is personal: its key is destroyed instead' using errcode = 'WG014';
    elsif (p_payload ->> 'event_id')::uuid is distinct from p_event_id or p_payload ->> 'new_hash' is null then
        raise exception 'the redaction is of another event' using errcode = 'WG012';
    end if;
    v_after := jsonb_set(v_payload, p_path, '{"$redacted": true}', false);

    select first_position, refused into v_at, v_refused from append_batch(
        p_epoch,
        '{}', '{}', '{}', '{}', '{}', '{}', '{}',
        '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
        '{}', '{}', '{}', '{}', '{}', '{}',
        array[1], array[p_stream], array['redaction'], array[p_version], array[1], array[0], array[null]::text[],
        array[1], array[1],
        array[1], array[p_id], array[p_stream], array['redaction'], array[p_version + 1],
        array['FieldRedacted'], array[1], array[p_payload], array[p_metadata], array[p_salt], array[p_hash]
    );
    if v_refused <> '[]' then
        raise exception 'somebody redacts the same event, send again' using errcode = 'WG001';
    end if;

    perform set_config('weltgewebe.redacting', p_event_id || ' ' || p_path::text, true);
    update events e set payload = v_after, salt = null where e.position = p_position;
    perform set_config('weltgewebe.redacting', '', true);
    return v_at;
end
$$;
revoke all on function redact_field(
    integer, bigint, uuid, text[], uuid, bigint, uuid, jsonb, jsonb, bytea, bytea) from public;

-- How far a redaction is: the event stands in the log from the first step on, the rest takes it out of
-- every other store. Nothing of the value is in here; the fingerprints are keyed hashes that tell it
-- from any other, and go when it is found nowhere any more.
create table redactions (
    event_id     uuid not null,
    pointer      text collate "C" not null,
    position     bigint not null,
    requested_at timestamptz not null default clock_timestamp(),
    fingerprints jsonb,
    finished_at  timestamptz,
    primary key (event_id, pointer)
);
create table redaction_steps (
    event_id uuid not null,
    pointer  text collate "C" not null,
    step     text collate "C" not null,
    done_at  timestamptz not null default clock_timestamp(),
    detail   jsonb not null,
    primary key (event_id, pointer, step),
    foreign key (event_id, pointer) references redactions
);
-- What happens when a period is over; another action is a column's check and code away.
alter table retention_rules
    add column action text collate "C" not null default 'shred' check (action = 'shred');
-- The daily run of retention is the application's.
grant insert on retention_runs to weltgewebe_runtime;
-- For scans: what nobody looked at cannot be certified.
grant select on redactions, redaction_steps, past_read_models to weltgewebe_runtime;
do $$
begin
    if to_regclass('_sqlx_migrations') is not null then
        grant select on _sqlx_migrations to weltgewebe_runtime;
    end if;
end
$$;
