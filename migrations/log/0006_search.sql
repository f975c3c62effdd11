-- Trigrams find words with letters missing, doubled or swapped. pg_trgm is a trusted extension:
-- whoever may create in the database may create it, but the server has to have its files. The
-- sentences are what an operator reads.
do $$
declare
    place text := (
        select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
        where e.extname = 'pg_trgm'
    );
begin
    if not exists (select from pg_available_extensions where name = 'pg_trgm') then
        raise exception 'the extension pg_trgm is not available on this server: '
            'install postgresql-contrib (Debian has it in postgresql itself)'
            using errcode = 'feature_not_supported';
    elsif place <> 'public' then
        raise exception 'the extension pg_trgm is in the schema %: '
            'run "alter extension pg_trgm set schema public"', place
            using errcode = 'feature_not_supported';
    end if;
end $$;

create extension if not exists pg_trgm with schema public;
