create index if not exists authorship_account on authorship (account_id, aggregate_id);
