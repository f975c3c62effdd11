-- What began and ended per UTC day. Totals are sums over days, at the moment of the question.
create table statistics_day (
    day   date not null,
    thing text collate "C" not null,
    begun bigint not null,
    ended bigint not null,
    primary key (day, thing)
) with (fillfactor = 50);

-- Who acted on which day.
create table statistics_active (
    day     date not null,
    account uuid not null,
    primary key (day, account)
);

-- The last day of each: a window of days is a range of this index, and counts everybody once.
create table statistics_last (
    account uuid primary key,
    day     date not null
) with (fillfactor = 80);
