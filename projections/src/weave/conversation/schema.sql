-- Conversations; `state` is open, archived or gone. A count and the last post, no more: what was
-- said is the other table.
create table conversation (
    id                    uuid primary key,
    kind                  text collate "C" not null,
    subject_id            uuid not null,
    state                 text collate "C" not null,
    message_count         bigint not null,
    last_message_position bigint,
    last_message_at       timestamptz
) with (fillfactor = 70);

-- Messages, those that were taken away included. The content stands here as the log has it,
-- `{"$sealed":{…}}` or `{"$redacted":true}`, null once it was taken away; the author is null
-- once it was unbound. `position` is that of the post.
create table message (
    id              uuid primary key,
    conversation_id uuid not null,
    author_id       uuid,
    content         jsonb,
    created_at      timestamptz not null,
    edited_at       timestamptz,
    tombstoned      boolean not null,
    version         bigint not null,
    position        bigint not null
) with (fillfactor = 90);
