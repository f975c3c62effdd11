-- A short list of what waits to be sorted in: whoever fills it up sorts all of it in, and the
-- longer it is the longer the read models stand still for it.
create index if not exists node_search_vector on node_search using gin (vector)
    with (gin_pending_list_limit = 512);
create index if not exists node_search_title_words on node_search (title_words);
create index if not exists node_search_names on node_search using gin (names public.gin_trgm_ops)
    with (gin_pending_list_limit = 512);

-- Walked from one title to the next, so that a thousand gardens of one name cost one step.
create index if not exists node_search_start_whole on node_search_start (start, title) where word = 0;
create index if not exists node_search_start_later on node_search_start (start, title) where word > 0;
