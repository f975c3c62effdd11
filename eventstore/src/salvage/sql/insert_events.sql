insert into events
    (position, version, recorded_at, event_id, aggregate_id, schema_version, aggregate_type, type,
     payload, metadata, salt, payload_hash)
select e.position, e.version, e.at, e.id, e.aggregate, e.schema, e.aggregate_type, e.type,
       e.payload::jsonb, e.metadata::jsonb, e.salt, e.hash
from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::uuid[], $5::uuid[], $6::integer[],
            $7::text[], $8::text[], $9::text[], $10::text[], $11::bytea[], $12::bytea[])
    as e (position, version, at, id, aggregate, schema, aggregate_type, type, payload, metadata, salt, hash)
