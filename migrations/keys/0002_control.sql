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

alter table keys.subject_classes add column generation bigint not null default 0;
comment on column keys.subject_classes.generation is 'number of the erasure that ended it; 0 while it lives';
create index subject_classes_generation on keys.subject_classes (generation) where generation > 0;

-- Processes with keys in memory. A row whose lease is over without a word holds none any more.
create table keys.readers (
    id           uuid primary key,
    -- All erasures up to this one are forgotten here.
    acknowledged bigint not null,
    lease_ms     integer not null check (lease_ms between 1 and 60000),
    seen_at      timestamptz not null default clock_timestamp()
);

-- Exchanges of the key-encryption key. A backup of the key store from before `old_destroyed_at`
-- opens nothing any more.
create table keys.rotations (
    kek_id           text primary key,
    started_at       timestamptz not null default clock_timestamp(),
    finished_at      timestamptz,
    old_destroyed_at timestamptz
);

-- As before, and: a new key is wrapped under the key-encryption key that holds now, or not at all
-- (WG010: look which one it is, wrap again). The shared lock makes an exchange wait for whoever
-- is about to insert, so that afterwards nothing appears under the old one.
create or replace function keys.ensure_keys(
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

-- As before, and: what was erased gets the next number. Locks in the order of everybody: classes,
-- keys, control.
create or replace function keys.erase_keys(wanted_subject uuid, wanted_classes text[])
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

-- Destroys keys by age: those of these classes and of years before `wanted_before`, of everybody
-- who is not under a hold, at most `wanted_limit` of them. The class itself goes on.
create function keys.erase_years(wanted_classes text[], wanted_before smallint, wanted_limit integer)
returns bigint
language plpgsql volatile set jit = off as $$
declare
    v_persons    uuid[];
    v_classes    text[];
    v_count      bigint := 0;
    v_generation bigint;
begin
    -- Who comes under a hold meanwhile is seen by the lock's own look at the row.
    select array_agg(x.subject), array_agg(x.class) into v_persons, v_classes from (
        select c.subject, c.class from keys.subject_classes c
        where c.class = any (wanted_classes) and c.state = 'active'
          and exists (
              select from keys.subject_keys k
              where k.subject = c.subject and k.class = c.class and k.year < wanted_before
                and k.wrapped is not null
          )
        order by c.subject, c.class
        limit wanted_limit
        for update of c
    ) x;
    if v_persons is null then
        return 0;
    end if;
    update keys.subject_keys k set wrapped = null, kek_id = null, erased_at = clock_timestamp()
    from unnest(v_persons, v_classes) as w (subject, class)
    where k.subject = w.subject and k.class = w.class and k.year < wanted_before
      and k.wrapped is not null;
    get diagnostics v_count = row_count;
    update keys.control c set generation = c.generation + 1 returning c.generation into v_generation;
    update keys.subject_classes c set generation = v_generation
    from unnest(v_persons, v_classes) as w (subject, class)
    where c.subject = w.subject and c.class = w.class;
    return v_count;
end $$;

do $$
begin
    if exists (select from pg_roles where rolname = 'weltgewebe_keys_runtime') then
        grant select on keys.control, keys.rotations to weltgewebe_keys_runtime;
        grant update (generation, kek_id) on keys.control to weltgewebe_keys_runtime;
        grant update (generation) on keys.subject_classes to weltgewebe_keys_runtime;
        grant select, insert, update, delete on keys.readers to weltgewebe_keys_runtime;
        revoke execute on function keys.erase_years(text[], smallint, integer) from public;
        grant execute on function keys.erase_years(text[], smallint, integer) to weltgewebe_keys_runtime;
    end if;
end $$;
