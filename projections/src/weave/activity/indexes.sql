-- Newest first, over all, of an account, at a node.
create index if not exists activity_order on activity (position);
create index if not exists activity_of_account on activity (account_id, position);
create index if not exists activity_of_conversation on activity (conversation_id, position);
