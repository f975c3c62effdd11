-- The order in which a talk is read.
create index if not exists message_order on message (conversation_id, position);
