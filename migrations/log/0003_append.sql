-- One call appends one batch of requests: no client round trip between the first lock and the
-- commit, so a paused client never holds the head.
--
-- The caller sends requests 1..n in which no two share a written aggregate, an idempotency key, a
-- reservation key or a reactor, and every array sorted by its key; all writers take locks in this
-- one order: receipts, reservation keys, reactors, streams, head. Each step is a statement of its own, because a
-- statement sees one snapshot and must not mix what it waited for with what it saw before.
--
-- A refused request is listed in `refused` and leaves nothing; the others get the positions
-- first_position, first_position + 1, … in the order of their events.
-- Raises WG001, or a unique_violation of command_receipts_pkey or streams_pkey, when another
-- process got in between (send the same batch again), WG002 when the epoch is another than the
-- caller's.
create function append_batch(
    p_epoch integer,
    -- receipts, sorted by hash
    k_req integer[], k_hash bytea[], k_fingerprint bytea[], k_aggregate uuid[],
    k_first_version bigint[], k_count integer[], k_position bigint[],
    -- reservations, sorted by lock (leading 8 bytes of the hash); op: 1 take, 2 release, 3 count
    r_req integer[], r_op integer[], r_scope text[], r_hash bytea[], r_lock bigint[], r_owner uuid[],
    r_delta bigint[], r_limit bigint[], r_window bigint[],
    -- reactors, sorted by name: from (position, cursor) to another; r_window is in milliseconds
    c_req integer[], c_name text[], c_from bigint[], c_from_cursor text[], c_to bigint[],
    c_to_cursor text[],
    -- streams, each once, sorted by id; a write has s_count > 0 events, the first of which is the
    -- (s_offset + 1)-th of the batch; s_req is the writing request, 0 for an assert
    s_req integer[], s_id uuid[], s_type text[], s_expected bigint[], s_count integer[],
    s_offset integer[], s_external text[],
    -- which request uses which stream (1-based index into s_*)
    u_req integer[], u_stream integer[],
    -- events in the order of their requests
    e_req integer[], e_id uuid[], e_aggregate uuid[], e_aggregate_type text[], e_version bigint[],
    e_type text[], e_schema integer[], e_payload jsonb[], e_metadata jsonb[], e_salt bytea[],
    e_hash bytea[]
) returns table (first_position bigint, appended bigint, at timestamptz, refused jsonb)
    -- Runs as the owner: the application may append, but not touch these tables in any other way.
    language plpgsql volatile security definer
    set search_path = public, pg_temp
    -- The cost of a disabled plan node would make the planner compile every call: no jit.
    set jit = off
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off
    set enable_bitmapscan = off
    set enable_hashjoin = off
    set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    v_losers  integer[] := '{}';
    v_refused jsonb := '[]';
    v_more    integer[];
    v_lines   jsonb;
    v_count   bigint;
    v_events  bigint;
    v_last    bigint := 0;
    v_at      timestamptz;
    v_now     timestamptz := clock_timestamp();
begin
    -- 1. Receipts. First a look at what is there, then a plain insert of the rest: the second of
    --    two equal keys waits in the insert until the first has ended, and fails when it stayed
    --    (unique_violation: send the same batch again, the look then finds it).
    if cardinality(k_req) > 0 then
        select coalesce(array_agg(k.req), '{}'),
               coalesce(jsonb_agg(jsonb_build_object(
                   'req', k.req,
                   'why', case when c.fingerprint = k.fingerprint then 'replayed' else 'key_reused' end,
                   'aggregate_id', c.aggregate_id, 'first_version', c.first_version,
                   'event_count', c.event_count, 'position', c.position)), '[]')
        into v_losers, v_refused
        from unnest(k_req, k_hash, k_fingerprint) as k (req, hash, fingerprint)
        join command_receipts c on c.key_hash = k.hash;
        insert into command_receipts
            (key_hash, fingerprint, aggregate_id, first_version, event_count, position, created_at)
        select k.hash, k.fingerprint, k.aggregate, k.first_version, k.n, k.pos, v_now
        from unnest(k_req, k_hash, k_fingerprint, k_aggregate, k_first_version, k_count, k_position)
            as k (req, hash, fingerprint, aggregate, first_version, n, pos)
        where k.req <> all (v_losers);
    end if;

    -- 2. Reservation keys. The lock serialises every writer of a key, so that what is read under
    --    it stays true until the commit, and nothing has to be undone.
    if cardinality(r_req) > 0 then
        perform pg_advisory_xact_lock(r.lock) from unnest(r_lock) as r (lock);
        select coalesce(array_agg(r.req), '{}'),
               coalesce(jsonb_agg(jsonb_build_object(
                   'req', r.req,
                   'why', case r.op when 1 then 'taken' else 'over_limit' end,
                   'scope', r.scope,
                   'retry_after_ms', ceil(extract(epoch from x.expires_at - v_now) * 1000)::bigint)), '[]')
        into v_more, v_lines
        from unnest(r_req, r_op, r_scope, r_hash, r_owner, r_delta, r_limit)
            as r (req, op, scope, hash, owner, delta, max)
        left join lateral (
            select y.owner, y.count, y.expires_at from reservations y
            where y.scope = r.scope and y.key_hash = r.hash
              and (y.expires_at is null or y.expires_at > v_now)
        ) x on true
        where (r.op = 1 and x.owner <> r.owner)
           or (r.op = 3 and coalesce(x.count, 0) + r.delta > r.max);
        v_losers := v_losers || v_more;
        v_refused := v_refused || v_lines;
    end if;

    -- A reactor's step: one process takes it, everybody else finds the point moved.
    if cardinality(c_req) > 0 then
        perform from reactor_checkpoints x where x.reactor = any (c_name) order by x.reactor for no key update;
        select coalesce(array_agg(c.req), '{}'),
               coalesce(jsonb_agg(jsonb_build_object('req', c.req, 'why', 'stale_reactor')), '[]')
        into v_more, v_lines
        from unnest(c_req, c_name, c_from, c_from_cursor) as c (req, name, position, cursor)
        left join lateral (
            select y.position, y.cursor from reactor_checkpoints y where y.reactor = c.name
        ) x on true
        where (x.position, x.cursor) is distinct from (c.position, c.cursor);
        v_losers := v_losers || v_more;
        v_refused := v_refused || v_lines;
    end if;

    -- 3. Streams: writes for update, asserts for share, in one order. After a wait the row's
    --    newest version is what is compared. A stream that does not exist yet has version 0.
    select count(*) into v_count
    from unnest(s_id, s_type, s_expected, s_count) as s (id, type, expected, n)
    left join lateral (
        select t.version, t.aggregate_type from streams t
        where s.n > 0 and t.aggregate_id = s.id for no key update
    ) w on true
    left join lateral (
        select t.version, t.aggregate_type from streams t
        where s.n = 0 and t.aggregate_id = s.id for share
    ) a on true
    where coalesce(w.version, a.version, 0) = s.expected
      and coalesce(w.aggregate_type, a.aggregate_type, s.type) = s.type;

    -- 4. Verdicts. Only a short count pays for finding out who.
    if v_count < cardinality(s_id) then
        select coalesce(array_agg(u.req), '{}'),
               coalesce(jsonb_agg(jsonb_build_object(
                   'req', u.req,
                   'why', case when bad.n > 0 then 'conflict' else 'stale_assert' end,
                   'aggregate_id', bad.id, 'aggregate_type', bad.type, 'actual', bad.actual)), '[]')
        into v_more, v_lines
        from (
            select s.ord, s.id, s.type, s.n, coalesce(t.version, 0) as actual
            from unnest(s_id, s_type, s_expected, s_count) with ordinality as s (id, type, expected, n, ord)
            left join lateral (
                select y.version, y.aggregate_type from streams y where y.aggregate_id = s.id
            ) t on true
            where coalesce(t.version, 0) <> s.expected or coalesce(t.aggregate_type, s.type) <> s.type
        ) bad
        join unnest(u_req, u_stream) as u (req, stream) on u.stream = bad.ord;
        -- The two looks differ when a stream was created in between.
        if cardinality(v_more) = 0 then
            raise exception 'a stream appeared meanwhile, send again' using errcode = 'WG001';
        end if;
        v_losers := v_losers || v_more;
        v_refused := v_refused || v_lines;
    end if;

    if cardinality(v_losers) > 0 then
        delete from command_receipts r
        using (select k.hash from unnest(k_req, k_hash) as k (req, hash) where k.req = any (v_losers)) k
        where r.key_hash = k.hash and r.xmin = pg_current_xact_id()::xid;

        -- From here on the arrays hold the winners only.
        select coalesce(array_agg(r.req), '{}'), coalesce(array_agg(r.op), '{}'),
               coalesce(array_agg(r.scope), '{}'), coalesce(array_agg(r.hash), '{}'),
               coalesce(array_agg(r.owner), '{}'), coalesce(array_agg(r.delta), '{}'),
               coalesce(array_agg(r.span), '{}')
        into r_req, r_op, r_scope, r_hash, r_owner, r_delta, r_window
        from unnest(r_req, r_op, r_scope, r_hash, r_owner, r_delta, r_window)
            as r (req, op, scope, hash, owner, delta, span)
        where r.req <> all (v_losers);

        select coalesce(array_agg(s.id), '{}'), coalesce(array_agg(s.type), '{}'),
               coalesce(array_agg(s.expected), '{}'), coalesce(array_agg(s.n), '{}'),
               coalesce(array_agg(s.off), '{}'), coalesce(array_agg(s.external), '{}')
        into s_id, s_type, s_expected, s_count, s_offset, s_external
        from (
            select k.id, k.type, k.expected, k.n, k.external,
                   (sum(k.n) over (order by k.off) - k.n)::integer as off
            from unnest(s_req, s_id, s_type, s_expected, s_count, s_offset, s_external)
                as k (req, id, type, expected, n, off, external)
            where k.n > 0 and k.req <> all (v_losers)
            order by k.id
        ) s;

        select coalesce(array_agg(e.id order by e.ord), '{}'),
               coalesce(array_agg(e.aggregate order by e.ord), '{}'),
               coalesce(array_agg(e.aggregate_type order by e.ord), '{}'),
               coalesce(array_agg(e.version order by e.ord), '{}'),
               coalesce(array_agg(e.type order by e.ord), '{}'),
               coalesce(array_agg(e.schema order by e.ord), '{}'),
               coalesce(array_agg(e.payload order by e.ord), '{}'),
               coalesce(array_agg(e.metadata order by e.ord), '{}'),
               coalesce(array_agg(e.salt order by e.ord), '{}'),
               coalesce(array_agg(e.hash order by e.ord), '{}')
        into e_id, e_aggregate, e_aggregate_type, e_version, e_type, e_schema, e_payload, e_metadata,
             e_salt, e_hash
        from unnest(e_req, e_id, e_aggregate, e_aggregate_type, e_version, e_type, e_schema, e_payload,
                    e_metadata, e_salt, e_hash) with ordinality
            as e (req, id, aggregate, aggregate_type, version, type, schema, payload, metadata, salt,
                  hash, ord)
        where e.req <> all (v_losers);
    end if;

    if cardinality(r_req) > 0 then
        delete from reservations x
        using (select r.op, r.scope, r.hash, r.owner
               from unnest(r_op, r_scope, r_hash, r_owner) as r (op, scope, hash, owner)
               where r.op = 2) r
        where x.scope = r.scope and x.key_hash = r.hash and x.owner = r.owner;
        insert into reservations as x (scope, key_hash, owner, count, expires_at)
        select r.scope, r.hash, r.owner, r.delta, v_now + r.span * interval '1 millisecond'
        from unnest(r_op, r_scope, r_hash, r_owner, r_delta, r_window)
            as r (op, scope, hash, owner, delta, span)
        where r.op in (1, 3) and r.delta > 0
        on conflict (scope, key_hash) do update set
            owner = excluded.owner,
            -- An expired window starts again.
            count = case when x.expires_at <= v_now then excluded.count else x.count + excluded.count end,
            expires_at = case when x.expires_at > v_now then x.expires_at else excluded.expires_at end;
        -- Giving back: a total never falls below zero, and what was never counted stays so.
        update reservations x set count = greatest(x.count + r.delta, 0)
        from (select k.scope, k.hash, k.delta
              from unnest(r_op, r_scope, r_hash, r_delta) as k (op, scope, hash, delta)
              where k.op = 3 and k.delta < 0) r
        where x.scope = r.scope and x.key_hash = r.hash;
    end if;

    if cardinality(c_req) > 0 then
        update reactor_checkpoints x
        set position = c.position, cursor = c.cursor, moved_at = v_now
        from unnest(c_req, c_name, c_to, c_to_cursor) as c (req, name, position, cursor)
        where x.reactor = c.name and c.req <> all (v_losers);
    end if;

    -- 5. The head, last: from here to the commit is one insert and one flush.
    v_events := cardinality(e_id);
    if v_events > 0 then
        update log_head h
        set position = h.position + v_events, recorded_at = greatest(h.recorded_at, clock_timestamp())
        where h.the_one and h.epoch = p_epoch
        returning h.position - v_events, h.recorded_at into v_last, v_at;
        if not found then
            raise exception 'the epoch has moved on' using errcode = 'WG002';
        end if;

        -- 6. Stream versions and events. Step 3 holds the existing streams since it compared
        --    them. If another process has created a new one since, its key says so here
        --    (unique_violation), before the events' unique index would.
        if 0 = any (s_expected) then
        insert into streams
            (aggregate_id, aggregate_type, version, first_position, last_position, external_id)
        select s.id, s.type, s.n, v_last + s.off + 1, v_last + s.off + s.n, s.external
        from unnest(s_id, s_type, s_expected, s_count, s_offset, s_external)
            as s (id, type, expected, n, off, external)
        where s.n > 0 and s.expected = 0;
        end if;

        update streams t
        set version = s.expected + s.n, last_position = v_last + s.off + s.n
        from unnest(s_id, s_expected, s_count, s_offset) as s (id, expected, n, off)
        where s.n > 0 and s.expected > 0 and t.aggregate_id = s.id;

        insert into events
            (position, version, recorded_at, event_id, aggregate_id, schema_version, aggregate_type,
             type, payload, metadata, salt, payload_hash)
        select v_last + e.ord, e.version, v_at, e.id, e.aggregate, e.schema, e.aggregate_type,
               e.type, e.payload, e.metadata, e.salt, e.hash
        from unnest(e_id, e_aggregate, e_aggregate_type, e_version, e_type, e_schema, e_payload,
                    e_metadata, e_salt, e_hash) with ordinality
            as e (id, aggregate, aggregate_type, version, type, schema, payload, metadata, salt, hash, ord);
        get diagnostics v_count = row_count;
        if v_count <> v_events then
            raise exception 'wrote % of % events', v_count, v_events;
        end if;
    end if;

    return query select v_last + 1, v_events, v_at, v_refused;
end
$$;

-- Windows that have ended: the row says nothing any more but who wrote where and when. Racing an
-- append is harmless: a count that finds no row begins a new window.
create function expire_reservations(p_limit bigint) returns bigint
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v_count bigint;
begin
    delete from reservations r
    using (select scope, key_hash from reservations
           where expires_at < clock_timestamp() - interval '1 minute'
           order by expires_at limit p_limit for update skip locked) gone
    where r.scope = gone.scope and r.key_hash = gone.key_hash;
    get diagnostics v_count = row_count;
    return v_count;
end
$$;

grant usage on schema public to weltgewebe_runtime;
grant select on events, streams, log_head, epochs, log_partitions, log_settings, command_receipts,
    reservations, snapshots, reactor_checkpoints to weltgewebe_runtime;
-- Receipts expire and snapshots are a cache: the application keeps these itself.
grant delete on command_receipts to weltgewebe_runtime;
-- A reactor registers itself; only an append moves it.
grant insert on reactor_checkpoints to weltgewebe_runtime;
grant insert, update, delete on snapshots to weltgewebe_runtime;
revoke all on function expire_reservations(bigint) from public;
grant execute on function expire_reservations(bigint) to weltgewebe_runtime;
revoke all on function ensure_partitions(integer) from public;
grant execute on function ensure_partitions(integer) to weltgewebe_runtime;
do $$
begin
    execute format('revoke all on function %s from public', 'append_batch'::regproc::oid::regprocedure);
    execute format('grant execute on function %s to weltgewebe_runtime',
                   'append_batch'::regproc::oid::regprocedure);
end
$$;
