-- A rebuild's statement: nothing to look up, nothing to compare.
insert into node_search (id, kind, title, summary, info, tags, address, lat, lon, search_visibility,
                         created_by, conversation_id, created_at, updated_at, version, redacted,
                         title_words, names, vector)
select n.id, n.kind, n.title, n.summary, n.info, n.tags::text[], n.address, n.lat, n.lon,
       n.search_visibility, n.created_by, n.conversation_id, n.created_at, n.updated_at,
       n.version, n.redacted::text[], n.title_words, n.names,
       -- Names are kept as they are and stemmed, so that they are found by their beginning, too.
       setweight(to_tsvector('pg_catalog.simple', n.title_words), 'A')
       || setweight(to_tsvector('pg_catalog.german', n.title_words), 'A')
       || setweight(to_tsvector('pg_catalog.simple', n.labels), 'B')
       || setweight(to_tsvector('pg_catalog.german', n.labels), 'B')
       || setweight(to_tsvector('pg_catalog.german', n.ends), 'C')
       || setweight(to_tsvector('pg_catalog.german', n.summary_words), 'C')
       || setweight(to_tsvector('pg_catalog.german', n.rest), 'D')
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::float8[], $9::float8[], $10::text[], $11::uuid[], $12::uuid[], $13::timestamptz[],
            $14::timestamptz[], $15::bigint[], $16::text[], $17::text[], $18::text[], $19::text[],
            $20::text[], $21::text[], $22::text[])
    as n (id, kind, title, summary, info, tags, address, lat, lon, search_visibility, created_by,
          conversation_id, created_at, updated_at, version, redacted, title_words, names, labels,
          ends, summary_words, rest)
