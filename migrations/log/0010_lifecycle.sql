-- Requests to forget a person: what was asked for stands in the log (ForgetRequested, AccountLeft),
-- here is how far the work is. Nothing personal: the fingerprints are keyed hashes that tell
-- a value found on a disk from any other, and they go with the last scan.
create table forget_requests (
    request      uuid primary key,
    account      uuid not null,
    content      text collate "C" not null check (content in ('keep', 'erase')),
    requested_at timestamptz not null,
    -- Where the work is: requested, held (a legal hold), running, failing (tried again),
    -- provisional (all done, one scan to come), final.
    state        text collate "C" not null default 'requested'
                 check (state in ('requested', 'held', 'running', 'failing', 'provisional', 'final')),
    -- What it waits for, or why the last try failed; names stores and kinds, never values.
    problem      text,
    attempts     integer not null default 0,
    -- Nobody need look at it before.
    due_at       timestamptz not null default 'epoch',
    -- Whoever works on it; a courtesy, every step may be done twice.
    holder       uuid,
    held_until   timestamptz,
    fingerprints jsonb,
    provisional  text,
    final        text,
    unique (account, content)
);
create index forget_requests_open on forget_requests (due_at) where state <> 'final';

create table forget_steps (
    request uuid not null references forget_requests,
    step    text collate "C" not null,
    done_at timestamptz not null default clock_timestamp(),
    detail  jsonb not null,
    primary key (request, step)
);

grant select on forget_requests, forget_steps to weltgewebe_runtime;
grant insert, update on forget_requests to weltgewebe_runtime;
grant insert on forget_steps to weltgewebe_runtime;

-- What is bound to a person beside events and read models: taken names and counters, receipts of
-- commands on their account, snapshots that hold their envelopes. Only for a person whose keys
-- are said to be destroyed.
create function forget_leftovers(p_request uuid, p_person uuid)
    returns table (of_reservations bigint, of_receipts bigint, of_snapshots bigint)
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v_account uuid;
begin
    select r.account into v_account from forget_requests r
    where r.request = p_request
      and exists (select from forget_steps s where s.request = r.request and s.step = 'shred');
    if v_account is null then
        raise exception 'no such request, or its keys are not destroyed yet' using errcode = 'WG011';
    end if;
    delete from reservations r where r.owner = v_account;
    get diagnostics of_reservations = row_count;
    delete from command_receipts c where c.aggregate_id in (v_account, p_person);
    get diagnostics of_receipts = row_count;
    delete from snapshots s
    where s.aggregate_id in (v_account, p_person)
       or s.state::text like '%"subject": "' || v_account || '"%';
    get diagnostics of_snapshots = row_count;
    return next;
end
$$;
revoke all on function forget_leftovers(uuid, uuid) from public;
grant execute on function forget_leftovers(uuid, uuid) to weltgewebe_runtime;

-- What is kept for how long. The periods are a community's decision, so none is set: until then
-- personal data is kept until its person is forgotten.
create table retention_rules (
    class      text collate "C" primary key check (class in ('identity', 'contact', 'location', 'content')),
    purpose    text not null,
    basis      text not null,
    -- Whole years after the year of the event; shredded by the run after that.
    keep_years smallint check (keep_years >= 1)
);
insert into retention_rules (class, purpose, basis) values
    ('identity', 'to be known to neighbours by a name of one''s choice', 'GDPR Art. 6(1)(b): the account'),
    ('contact', 'to sign in and to be reached by the platform', 'GDPR Art. 6(1)(b): the account'),
    ('location', 'to be on the map where one wishes to be', 'GDPR Art. 6(1)(a): consent, by placing oneself'),
    ('content', 'to take part in conversations', 'GDPR Art. 6(1)(b): the account');

create table retention_runs (
    id     bigint generated always as identity primary key,
    ran_at timestamptz not null,
    report jsonb not null
);
grant select on retention_rules, retention_runs to weltgewebe_runtime;
