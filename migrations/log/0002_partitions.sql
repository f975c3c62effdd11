-- Partitions are created as plain tables with a CHECK and then attached: that takes
-- SHARE UPDATE EXCLUSIVE on the parent and stops no append, while `partition of` would wait
-- behind any open reader and stop them all.
create function ensure_partitions(p_ahead integer) returns integer
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v_head bigint;
    v_size bigint;
    v_from bigint;
    v_name text;
    v_made integer := 0;
begin
    perform pg_advisory_xact_lock(hashtextextended('ensure_partitions', 0));
    select position into v_head from log_head;
    select partition_size into v_size from log_settings;
    loop
        select coalesce(max(to_position), 1) into v_from from log_partitions;
        -- The partition being written, and p_ahead more.
        exit when (select count(*) from log_partitions where to_position > v_head + 1) > p_ahead;
        v_name := 'events_p' || lpad(v_from::text, 15, '0');
        execute format('create table %I (like events including defaults)', v_name);
        execute format('alter table %I add constraint %I check (position >= %s and position < %s)',
                       v_name, v_name || '_range', v_from, v_from + v_size);
        execute format('alter table %I add primary key (position)', v_name);
        -- The second net under the expected versions, and the way to read one aggregate.
        execute format('create unique index %I on %I (aggregate_id, version)', v_name || '_stream', v_name);
        -- Nobody asks by these, and to sample them is most of what an analyze costs.
        execute format('alter table %I alter column payload set statistics 0,
                        alter column metadata set statistics 0, alter column salt set statistics 0,
                        alter column payload_hash set statistics 0', v_name);
        execute format('create trigger append_only_truncate before truncate on %I
                        for each statement execute function refuse_change()', v_name);
        execute format('revoke all on %I from public', v_name);
        execute format('alter table events attach partition %I for values from (%s) to (%s)',
                       v_name, v_from, v_from + v_size);
        insert into log_partitions values (v_from, v_from + v_size, v_name);
        v_made := v_made + 1;
    end loop;
    return v_made;
end
$$;

select ensure_partitions(2);
