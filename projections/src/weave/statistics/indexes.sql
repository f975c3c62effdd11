create index if not exists statistics_last_day on statistics_last (day);
