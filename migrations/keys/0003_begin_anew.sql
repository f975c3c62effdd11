-- Every process is to drop what it has in memory, though nobody was erased: a field was taken out of
-- the log. It is told as an erasure of nobody, so that the same question and the same wait serve.
create function keys.begin_anew() returns bigint
language plpgsql volatile as $$
declare
    v_generation bigint;
begin
    update keys.control c set generation = c.generation + 1 returning c.generation into v_generation;
    insert into keys.subject_classes as c (subject, class, generation)
    values ('00000000-0000-0000-0000-000000000000', 'content', v_generation)
    on conflict (subject, class) do update set generation = excluded.generation;
    return v_generation;
end
$$;
