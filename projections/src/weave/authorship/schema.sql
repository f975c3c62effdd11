-- Which nodes and messages are bound to which account, for the unbinding of a person who left.
create table authorship (
    aggregate_id   uuid primary key,
    aggregate_type text collate "C" not null,
    account_id     uuid not null
);
