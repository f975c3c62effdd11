-- Trigrams find words with letters missing, doubled or swapped. A trusted extension: whoever may
-- create in the database may create it, but the server has to have its files.
do $$
begin
    if not exists (select from pg_available_extensions where name = 'pg_trgm') then
        raise exception 'the extension pg_trgm is not available on this server'
            using errcode = 'feature_not_supported',
                  hint = 'It is part of postgresql-contrib; Debian has it in postgresql-NN itself.';
    end if;
end $$;

create extension if not exists pg_trgm with schema public;
