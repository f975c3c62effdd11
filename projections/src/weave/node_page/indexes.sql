-- From a conversation back to its node: hot views count by conversation.
create index if not exists node_page_conversation on node_page (conversation_id);
