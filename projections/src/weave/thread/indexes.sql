create index if not exists thread_of_account on thread (account_id, started_at, id);
create index if not exists thread_of_conversation on thread (conversation_id, started_at, id);

-- The order of the map.
create index if not exists thread_node_order on thread_node (cell, conversation_id);
-- The few nodes where something happened lately, wherever they are.
create index if not exists thread_node_recent on thread_node (last_act_at);
