-- The order of the map: a page of a city lies together on disk pages and in the index.
create index if not exists node_map_order on node_map (cell, id);
-- A rare kind or tag is found by itself, wherever it is.
create index if not exists node_map_kind on node_map (kind);
create index if not exists node_map_tags on node_map using gin (tags);
-- Counting what everybody may find, by cell, without looking at a row.
create index if not exists node_map_public on node_map (cell) where search_visibility = 'public';
