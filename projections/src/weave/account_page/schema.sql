-- Accounts. Personal fields stand here as the log has them, `{"$sealed":{…}}` or
-- `{"$redacted":true}`, and are opened per answer. The e-mail address and the exact location
-- are needed by no query and not here.
create table account_page (
    id              uuid primary key,
    role            text collate "C" not null,
    status          text collate "C" not null,
    map_state       text collate "C" not null,
    radius_m        integer not null,
    title           jsonb,
    summary         jsonb,
    tags            jsonb,
    address         jsonb,
    public_position jsonb,
    joined_at       timestamptz not null,
    updated_at      timestamptz not null,
    version         bigint not null
) with (fillfactor = 80);
