-- Nodes of conversations, removed ones left out. Always one row once the read model is built.
select c.position as "position!", c.epoch as "epoch!", n.id as "id?", n.conversation_id as "conversation_id?",
       n.title, n.kind
from read.node_page_checkpoint c
left join read.node_page n on n.conversation_id = any($1) and n.removed_at is null
