create index if not exists audit_index_event on audit_index (event_id);
create index if not exists audit_index_type on audit_index (type, position);
create index if not exists audit_index_actor on audit_index (actor, position);
create index if not exists audit_index_correlation on audit_index (correlation_id, position);
create index if not exists audit_index_causation on audit_index (causation_id, position);
create index if not exists audit_index_time on audit_index using brin (occurred_at)
