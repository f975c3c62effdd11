-- The key store. Runs on a cluster of its own (KEYS_DATABASE_URL) as the owner role: a backup of
-- the log must never hold the keys that open it.

create schema if not exists keys;

-- Erasures are numbered, so that every process that keeps keys in memory learns of them by asking
-- for one number, and whoever erases learns when nobody keeps any. The key-encryption key can be
-- exchanged while all of them run.
create table keys.control (
    the_one    boolean primary key default true check (the_one),
    -- Number of the last erasure.
    generation bigint not null default 0,
    -- Under which key-encryption key new keys are wrapped; null until the first process comes.
    kek_id     text
);
insert into keys.control default values;

-- Where a person's data of one class stands. No row: no key was ever made. The row is also the
-- lock: whoever makes a key holds it shared, whoever erases holds it alone.
create table keys.subject_classes (
    subject uuid not null,
    class text not null check (class in ('identity', 'contact', 'location', 'content')),
    state text not null default 'active' check (state in ('active', 'sealed', 'erased')),
    changed_at timestamptz not null default clock_timestamp(),
    generation bigint not null default 0,
    primary key (subject, class)
);
comment on column keys.subject_classes.state is
    'sealed: legal hold, readable but not to be erased; erased: final, covers all years to come';
comment on column keys.subject_classes.generation is 'number of the erasure that ended it; 0 while it lives';
create index subject_classes_generation on keys.subject_classes (generation) where generation > 0;

-- One key per person, class and year of the event. An erased key's row stays for ever, without
-- its bytes: "erased" must not look like "unknown".
create table keys.subject_keys (
    id uuid primary key,
    subject uuid not null,
    class text not null,
    year smallint not null,
    wrapped bytea,
    kek_id text,
    created_at timestamptz not null default clock_timestamp(),
    erased_at timestamptz,
    unique (subject, class, year),
    foreign key (subject, class) references keys.subject_classes (subject, class),
    check ((wrapped is null) = (erased_at is not null)),
    check ((wrapped is null) = (kek_id is null))
);

-- Secrets of the installation: the hash key of receipts and reservations.
create table keys.secrets (
    name text primary key check (name ~ '^[a-z_]{1,48}$'),
    wrapped bytea not null,
    kek_id text not null,
    created_at timestamptz not null default clock_timestamp()
);

-- Erased is final, whatever a statement says.
create function keys.refuse_revival() returns trigger language plpgsql as $$
begin
    raise exception 'an erased key or class can never be provisioned again'
        using errcode = 'integrity_constraint_violation';
end $$;

create trigger erased_is_final before update on keys.subject_classes
    for each row when (old.state = 'erased' and new.state <> 'erased')
    execute function keys.refuse_revival();

create trigger erased_is_final before update on keys.subject_keys
    for each row when (old.wrapped is null and new.wrapped is not null)
    execute function keys.refuse_revival();

create function keys.refuse_removal() returns trigger language plpgsql as $$
begin
    raise exception 'rows of the key store are never deleted: erase the key'
        using errcode = 'integrity_constraint_violation';
end $$;

create trigger never_deleted before delete or truncate on keys.subject_classes
    for each statement execute function keys.refuse_removal();
create trigger never_deleted before delete or truncate on keys.subject_keys
    for each statement execute function keys.refuse_removal();
create trigger never_deleted before delete or truncate on keys.secrets
    for each statement execute function keys.refuse_removal();

-- Reads or makes the keys of all wanted (subject, class, year), one answer row per element, `n`
-- counted from 1. The arrays have one length and hold no triple twice.
--
-- Separate statements on purpose: a statement has one snapshot, so after waiting for a lock it
-- would still see the world from before the wait. Locks are taken in one order everywhere:
-- subject_classes by (subject, class), then subject_keys by (subject, class, year), then control.
--
-- A new key is wrapped under the key-encryption key that holds now, or not at all (WG010: look which
-- one it is, wrap again). The shared lock makes an exchange wait for whoever is about to insert, so
-- that afterwards nothing appears under the old one.
create function keys.ensure_keys(
    wanted_subjects uuid[], wanted_classes text[], wanted_years smallint[],
    new_ids uuid[], new_wrapped bytea[], new_kek_id text
) returns table (n bigint, key_id uuid, key_wrapped bytea, key_kek_id text, is_erased boolean)
language plpgsql volatile set jit = off as $$
#variable_conflict use_column
declare
    v_kek_id text;
begin
    if exists (
        select from unnest(wanted_subjects, wanted_classes, wanted_years) as w (subject, class, year)
        where not exists (
            select from keys.subject_keys k
            where k.subject = w.subject and k.class = w.class and k.year = w.year
        )
    ) then
        insert into keys.subject_classes (subject, class)
        select distinct w.subject, w.class
        from unnest(wanted_subjects, wanted_classes) as w (subject, class)
        order by 1, 2
        on conflict do nothing;

        -- Waits for an erasure under way, and makes a later one wait for us.
        perform from (
            select distinct w.subject, w.class
            from unnest(wanted_subjects, wanted_classes) as w (subject, class)
            order by 1, 2
        ) w, lateral (
            select from keys.subject_classes c
            where c.subject = w.subject and c.class = w.class
            for share
        ) c;

        select c.kek_id into v_kek_id from keys.control c for share;
        if v_kek_id is distinct from new_kek_id then
            raise exception 'new keys are wrapped under another key-encryption key now' using errcode = 'WG010';
        end if;

        insert into keys.subject_keys (id, subject, class, year, wrapped, kek_id)
        select w.id, w.subject, w.class, w.year, w.wrapped, new_kek_id
        from unnest(wanted_subjects, wanted_classes, wanted_years, new_ids, new_wrapped)
            as w (subject, class, year, id, wrapped)
        cross join lateral (
            select c.state from keys.subject_classes c
            where c.subject = w.subject and c.class = w.class limit 1
        ) c
        where c.state <> 'erased'
        order by w.subject, w.class, w.year
        on conflict (subject, class, year) do nothing;
    end if;

    -- `limit` keeps these look-ups by index whatever the statistics say: a plan made while the
    -- tables were empty would otherwise read them whole once they are large.
    return query
    select w.n, k.id, k.wrapped, k.kek_id, c.state = 'erased' or (k.id is not null and k.wrapped is null)
    from unnest(wanted_subjects, wanted_classes, wanted_years) with ordinality as w (subject, class, year, n)
    cross join lateral (
        select c.state from keys.subject_classes c
        where c.subject = w.subject and c.class = w.class limit 1
    ) c
    left join lateral (
        select k.id, k.wrapped, k.kek_id from keys.subject_keys k
        where k.subject = w.subject and k.class = w.class and k.year = w.year limit 1
    ) k on true;
end $$;

-- Destroys the keys of a person in some classes, for all years, past and to come. One row per
-- class: `was` is the state before, `destroyed` the number of keys whose bytes went. What was erased
-- gets the next number.
create function keys.erase_keys(wanted_subject uuid, wanted_classes text[])
returns table (of_class text, was text, destroyed bigint)
language plpgsql volatile set jit = off as $$
#variable_conflict use_column
declare
    v_generation bigint;
    v_ended      text[] := '{}';
begin
    -- A person without keys gets the row too: erased before the first key is erased as well.
    insert into keys.subject_classes (subject, class)
    select distinct wanted_subject, w.class from unnest(wanted_classes) as w (class)
    order by 2
    on conflict do nothing;

    foreach of_class in array (select array_agg(distinct w.class order by w.class) from unnest(wanted_classes) as w (class))
    loop
        -- Waits for those who make keys now, and makes later ones see the new state.
        select c.state into was from keys.subject_classes c
        where c.subject = wanted_subject and c.class = of_class
        for update;

        destroyed := 0;
        if was <> 'sealed' then
            update keys.subject_classes c set state = 'erased', changed_at = clock_timestamp()
            where c.subject = wanted_subject and c.class = of_class and c.state <> 'erased';
            if found then
                v_ended := v_ended || of_class;
            end if;

            update keys.subject_keys k set wrapped = null, kek_id = null, erased_at = clock_timestamp()
            where k.subject = wanted_subject and k.class = of_class and k.wrapped is not null;
            get diagnostics destroyed = row_count;
        end if;
        return next;
    end loop;

    if cardinality(v_ended) > 0 then
        update keys.control c set generation = c.generation + 1 returning c.generation into v_generation;
        update keys.subject_classes c set generation = v_generation
        where c.subject = wanted_subject and c.class = any (v_ended);
    end if;
end $$;

-- The processes' rights: a group role, granted to the login role of the deployment. An owner who
-- may not create roles has it created beforehand; without it only the owner can use the store.
do $$
begin
    if not exists (select from pg_roles where rolname = 'weltgewebe_keys_runtime') then
        create role weltgewebe_keys_runtime nologin;
    end if;
exception
    -- Somebody else created it in this moment, or we may not.
    when duplicate_object or unique_violation or insufficient_privilege then null;
end $$;

do $$
begin
    if exists (select from pg_roles where rolname = 'weltgewebe_keys_runtime') then
        grant usage on schema keys to weltgewebe_keys_runtime;
        grant select, insert on keys.subject_classes, keys.subject_keys, keys.secrets to weltgewebe_keys_runtime;
        grant select, update (generation, kek_id) on keys.control to weltgewebe_keys_runtime;
        grant update (state, changed_at, generation) on keys.subject_classes to weltgewebe_keys_runtime;
        grant update (wrapped, kek_id, erased_at) on keys.subject_keys to weltgewebe_keys_runtime;
        revoke execute on all functions in schema keys from public;
        grant execute on function
            keys.ensure_keys(uuid[], text[], smallint[], uuid[], bytea[], text),
            keys.erase_keys(uuid, text[])
            to weltgewebe_keys_runtime;
    else
        raise warning 'role weltgewebe_keys_runtime is missing and may not be created: nothing granted';
    end if;
end $$;
