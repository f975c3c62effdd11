insert into snapshots as s (aggregate_id, aggregate_type, version, schema_version, state)
values ($1, $2, $3, $4, $5)
on conflict (aggregate_id) do update
set aggregate_type = excluded.aggregate_type, version = excluded.version,
    schema_version = excluded.schema_version, state = excluded.state, taken_at = clock_timestamp()
where (s.schema_version, s.version) < (excluded.schema_version, excluded.version)
