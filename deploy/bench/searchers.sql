-- What Postgres is given to search with: for each language a configuration that folds accents before it stems, and the words of
-- an offer with a weight for where they stand.
create extension if not exists unaccent;

do $$
declare
  c record;
begin
  for c in select * from (values ('it', 'italian'), ('fr', 'french'), ('de', 'german'), ('es', 'spanish'), ('en', 'english')) as v(lang, name) loop
    execute format('create text search configuration bench_%s (copy = %s)', c.lang, c.name);
    execute format('alter text search configuration bench_%s alter mapping for hword, hword_part, word with unaccent, %s_stem', c.lang, c.name);
  end loop;
end $$;

-- Immutable, though a configuration can be altered: nobody does while this database exists.
create function bench_words(lang text, title text, brand text, description text, refs text[]) returns tsvector language sql immutable as $$
  select setweight(to_tsvector(('bench_' || lang)::regconfig, title), 'A') || setweight(to_tsvector(('bench_' || lang)::regconfig, brand), 'B')
      || setweight(array_to_tsvector(refs), 'A') || setweight(to_tsvector(('bench_' || lang)::regconfig, description), 'D')
$$;
