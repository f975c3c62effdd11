-- Of each word that was typed: whether it is a stop word, whether a node that this viewer may find
-- has it, and, when none has, the words that look like it. A single letter begins too much: it is
-- found as a word only.
with viewer as materialized (
    select o.id from read.node_search_owner o where o.id = $2 and o.active
)
select t.word as "word!", numnode(q.stem) = 0 as "stop!", k.known as "known!",
       coalesce(l.words, '{}') as "alike!"
from unnest($1::text[]) with ordinality as t (word, number)
cross join lateral (
    select to_tsquery('pg_catalog.german', quote_literal(t.word)) as stem,
           to_tsquery('pg_catalog.simple',
                      quote_literal(t.word) || case length(t.word) when 1 then '' else ':*' end) as beginning
) q
cross join lateral (
    select exists (
        select
        from read.node_search n
        where n.vector @@ (q.stem || q.beginning)
          and (n.search_visibility = 'public'
               or n.search_visibility = 'private' and n.created_by = (select id from viewer))
    ) as known
) k
left join lateral (
    select array_agg(distinct w.word) as words
    from (
        select n.names
        from read.node_search n
        where not k.known and t.number <= $4 and length(t.word) >= 5
          and t.word operator(public.<%) n.names
          and (n.search_visibility = 'public'
               or n.search_visibility = 'private' and n.created_by = (select id from viewer))
        limit $3
    ) n
    cross join lateral unnest(string_to_array(n.names, ' ')) as w (word)
    where public.word_similarity(t.word, w.word) >= 0.4
) l on true
order by t.number
