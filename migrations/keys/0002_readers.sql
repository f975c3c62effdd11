-- Who keeps keys in memory, exchanges of the key-encryption key, and the end of keys by age.

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
        grant select on keys.rotations to weltgewebe_keys_runtime;
        grant select, insert, update, delete on keys.readers to weltgewebe_keys_runtime;
        revoke execute on function keys.erase_years(text[], smallint, integer) from public;
        grant execute on function keys.erase_years(text[], smallint, integer) to weltgewebe_keys_runtime;
    end if;
end $$;
