-- $1 and $2: words that were typed or meant, each with the number of its term. Every term has to
-- be found, by one of its words. Candidates are taken from the index as they come, up to $12:
-- a word that more nodes have says nothing about what is wanted, and ranking reads every one.
-- $4 is who asks; only an active account finds its private nodes.
with asked as materialized (
    select string_agg(t.query, ' & ')::tsquery as every, string_agg(t.query, ' | ')::tsquery as any_of
    from (
        -- A word may hold no letter that Postgres knows; then it is left out.
        select '(' || string_agg(nullif(concat_ws(' | ', q.stem, q.beginning), ''), ' | ') || ')' as query
        from unnest($1::integer[], $2::text[]) as w (term, word)
        cross join lateral (
            select nullif(to_tsquery('pg_catalog.german', quote_literal(w.word))::text, '') as stem,
                   nullif(to_tsquery('pg_catalog.simple',
                                     quote_literal(w.word)
                                     || case length(w.word) when 1 then '' else ':*' end)::text,
                          '') as beginning
        ) q
        group by w.term
    ) t
),
viewer as materialized (
    select o.id from read.node_search_owner o where o.id = $4 and o.active
),
candidates as materialized (
    (
        select n.id
        from read.node_search n
        where n.title_words = $3
        limit $12
    )
    union
    (
        select n.id
        from asked a
        join read.node_search n on n.vector @@ a.every
        where (n.search_visibility = 'public'
               or n.search_visibility = 'private' and n.created_by = (select id from viewer))
          and (cardinality($5::text[]) = 0 or n.kind = any ($5::text[]))
          and (cardinality($6::text[]) = 0 or n.tags && $6::text[])
        limit $12
    )
)
select c.position as "position!", c.epoch as "epoch!", h.id as "id?", h.kind, h.title, h.summary,
       h.info, h.tags, h.address, h.lat, h.lon, h.search_visibility as "search_visibility?",
       h.created_by, h.conversation_id as "conversation_id?", h.created_at as "created_at?",
       h.updated_at as "updated_at?", h.version as "version?", h.redacted as "redacted?",
       h.score as "score?", h.distance as "distance?"
from read.node_search_checkpoint c
left join lateral (
    select n.*, s.score, d.distance
    from candidates f
    join read.node_search n on n.id = f.id
    cross join asked a
    -- The whole title before its beginning before everything else; then where the words are. Four
    -- decimals, so that a cursor means the same number the next time.
    cross join lateral (
        select round((case
                          when n.title_words = $3 then 3
                          when starts_with(n.title_words, $3) then 1.5
                          else 0
                      end + ts_rank('{0.05, 0.2, 0.4, 1.0}', n.vector, a.any_of))::numeric,
                     4)::float8 as score
    ) s
    -- Metres on a sphere, to the decimetre. Nowhere is far away.
    cross join lateral (
        select case
                   when $7::float8 is null then 0
                   when n.lat is null then 1e9
                   else round((2 * 6371008.8 * asin(least(1, sqrt(
                            power(sin(radians(n.lat - $7) / 2), 2)
                            + cos(radians($7)) * cos(radians(n.lat))
                              * power(sin(radians(n.lon - $8) / 2), 2)))))::numeric,
                        1)::float8
               end as distance
    ) d
    where (n.search_visibility = 'public'
           or n.search_visibility = 'private' and n.created_by = (select id from viewer))
      and (cardinality($5::text[]) = 0 or n.kind = any ($5::text[]))
      and (cardinality($6::text[]) = 0 or n.tags && $6::text[])
      and ($9::float8 is null
           or (d.distance, -s.score, n.id) > ($9::float8, -$10::float8, $11::uuid))
    order by d.distance, s.score desc, n.id
    limit $13
) h on true
order by h.distance, h.score desc, h.id
