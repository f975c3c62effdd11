-- What people did, one row per account, type, conversation and UTC day; the account is null when
-- no person did it. `position` is that of the day's last act.
create table activity (
    id              uuid primary key,
    account_id      uuid,
    type            text collate "C" not null,
    conversation_id uuid not null,
    day             date not null,
    count           bigint not null,
    first_at        timestamptz not null,
    last_at         timestamptz not null,
    position        bigint not null
) with (fillfactor = 80);

-- The title of each node that ever was; null when it was redacted.
create table activity_node (
    conversation_id uuid primary key,
    node_id         uuid not null,
    title           text
) with (fillfactor = 90);
