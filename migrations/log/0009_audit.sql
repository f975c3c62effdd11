-- The audit log: a Merkle tree (RFC 6962) over the events, with signed checkpoints. What is in
-- these tables can be computed from the log and the signing keys; it is kept so that a change of
-- the log is found and located.

-- What the checkpoints of this log are signed as.
create table audit_origin (
    the_one boolean primary key default true check (the_one),
    origin  text collate "C" not null
);
insert into audit_origin (origin) values ('weltgewebe/' || gen_random_uuid());

-- The public halves of the signing keys. During a rotation two of them sign. Rows stay for ever,
-- because old checkpoints do.
create table audit_keys (
    key_id       text collate "C" primary key check (key_id ~ '^[0-9a-f]{8}$'),
    public_key   bytea not null unique check (octet_length(public_key) = 32),
    announced_at timestamptz not null default clock_timestamp(),
    signs_from   timestamptz not null default clock_timestamp(),
    -- Null: until it is rotated.
    signs_until  timestamptz
);

-- One checkpoint after another. The number is the fence: of two sealers that go on from the same
-- one, the second finds it taken.
create table seals (
    number    bigint primary key check (number >= 1),
    epoch     integer not null,
    -- Positions 1 to size are covered.
    size      bigint not null check (size >= 0),
    root      bytea not null check (octet_length(root) = 32),
    -- Hashes of the leaves that this seal added to the last tile, as long as that is not full.
    leaves    bytea not null check (octet_length(leaves) % 32 = 0),
    -- The signed note, as it stands in the checkpoint file.
    note      text not null,
    sealed_at timestamptz not null default clock_timestamp()
);
create index seals_size on seals (size);

-- Full tiles: 256 hashes, each over 256 of the level below, or a leaf's on level 0.
create table audit_tiles (
    level  integer not null check (level between 0 and 7),
    index  bigint not null check (index >= 0),
    hashes bytea not null check (octet_length(hashes) = 8192),
    -- The hash over all of them: one entry of the tile above.
    root   bytea not null check (octet_length(root) = 32),
    primary key (level, index)
);

-- Who seals. Only spares useless work: the number of the seal is what keeps two apart.
create table audit_lease (
    the_one boolean primary key default true check (the_one),
    owner   uuid,
    until   timestamptz
) with (fillfactor = 10);
insert into audit_lease default values;

-- Who read what that is not everybody's: every read of the log by an auditor, and every read of a
-- person's contact data, exact place or export by another. Each entry's hash covers the one before.
create table access_log (
    number   bigint primary key check (number >= 1),
    at       timestamptz not null,
    -- The account of the token, or `operator:` and a login name.
    who      text not null,
    action   text collate "C" not null check (action ~ '^[a-z.-]{1,48}$'),
    -- The person whose data it was; null where it was the log's.
    subject  uuid,
    -- Ids, filters and positions; never a value.
    what     text not null,
    why      text not null,
    previous bytea not null check (octet_length(previous) = 32),
    hash     bytea not null unique check (octet_length(hash) = 32)
);
create index access_log_subject on access_log (subject, number) where subject is not null;

-- Length and bytes, so that two neighbouring fields can never be read as two others; null is not
-- the empty text.
create function access_part(p text) returns bytea language sql immutable parallel safe
return case when p is null then '\xffffffff'::bytea
            else int4send(octet_length(convert_to(p, 'UTF8'))) || convert_to(p, 'UTF8') end;

create function access_hash(
    p_previous bytea, p_number bigint, p_at timestamptz, p_who text, p_action text, p_subject uuid,
    p_what text, p_why text
) returns bytea language sql immutable parallel safe
return sha256(p_previous || int8send(p_number) || int8send((extract(epoch from p_at) * 1000000)::bigint)
    || access_part(p_who) || access_part(p_action) || access_part(p_subject::text)
    || access_part(p_what) || access_part(p_why));

create function record_access(p_who text, p_action text, p_subject uuid, p_what text, p_why text)
    returns bigint language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    v_last access_log;
    v_previous bytea;
    v_number bigint;
    v_at timestamptz;
begin
    -- One after the other: each entry needs the hash of the one before. A waiting statement would
    -- see what was there when it began, so the look is a statement of its own.
    perform pg_advisory_xact_lock(hashtextextended('access_log', 0));
    select * into v_last from access_log order by number desc limit 1;
    v_number := coalesce(v_last.number, 0) + 1;
    v_previous := coalesce(v_last.hash, sha256(''));
    v_at := greatest(clock_timestamp(), v_last.at);
    insert into access_log (number, at, who, action, subject, what, why, previous, hash)
    values (v_number, v_at, p_who, p_action, p_subject, p_what, p_why, v_previous,
            access_hash(v_previous, v_number, v_at, p_who, p_action, p_subject, p_what, p_why));
    return v_number;
end
$$;

-- The first key of a log is whoever seals first; every later one is an operator's decision.
create function announce_first_audit_key(p_key_id text, p_public_key bytea) returns boolean
    language plpgsql volatile security definer set search_path = public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('audit_keys', 0));
    if exists (select from audit_keys) then
        return false;
    end if;
    insert into audit_keys (key_id, public_key) values (p_key_id, p_public_key);
    return true;
end
$$;

-- Append-only like the log itself: by rights and by triggers.
do $$
declare
    v_table text;
begin
    foreach v_table in array array['seals', 'audit_tiles', 'access_log', 'audit_origin'] loop
        execute format('create trigger append_only before update or delete on %I
                        for each row execute function refuse_change()', v_table);
        execute format('create trigger append_only_truncate before truncate on %I
                        for each statement execute function refuse_change()', v_table);
    end loop;
end
$$;
create trigger append_only before delete on audit_keys for each row execute function refuse_change();
create trigger append_only_truncate before truncate on audit_keys
    for each statement execute function refuse_change();

grant select on audit_origin, audit_keys, seals, audit_tiles, audit_lease, access_log to weltgewebe_runtime;
grant insert on seals, audit_tiles to weltgewebe_runtime;
grant update on audit_lease to weltgewebe_runtime;
revoke all on function record_access(text, text, uuid, text, text) from public;
grant execute on function record_access(text, text, uuid, text, text) to weltgewebe_runtime;
revoke all on function announce_first_audit_key(text, bytea) from public;
grant execute on function announce_first_audit_key(text, bytea) to weltgewebe_runtime;
