-- Writes every change to a table into the write-ahead log as a transactional logical message, where it stands in order with
-- the changes of rows. A message is a JSON object: kind, tag, object_type, object_identity, table ("schema.table"), and for
-- what is still there the replica identity, the primary key and all columns as they are now. A failure in here must not stop
-- the statement that is being recorded: it becomes a warning, and the table's next change still tells its new columns.

drop schema if exists freshet_ddl cascade;
create schema freshet_ddl;

create function freshet_ddl.columns(relation oid) returns jsonb
language sql stable set search_path = pg_catalog as $$
  select jsonb_build_object(
    'identity', (select case c.relreplident when 'd' then 'default' when 'n' then 'nothing' when 'f' then 'full' else 'index' end
      from pg_class c where c.oid = relation),
    'primary_key', coalesce((
      select jsonb_agg(a.attname order by k.place)
      from pg_index i
      cross join unnest(i.indkey::int2[]) with ordinality k(attnum, place)
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
      where i.indrelid = relation and i.indisprimary), '[]'),
    'columns', coalesce((
      select jsonb_agg(jsonb_build_object(
        'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'type_oid', a.atttypid::bigint, 'nullable', not a.attnotnull,
        'default', pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated <> '') order by a.attnum)
      from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = relation and a.attnum > 0 and not a.attisdropped), '[]'))
$$;

create function freshet_ddl.record() returns event_trigger
language plpgsql set search_path = pg_catalog as $$
declare
  c record;
  relation oid;
begin
  for c in select * from pg_event_trigger_ddl_commands() loop
    continue when c.object_type not in ('table', 'table column', 'type')
      or c.schema_name in ('pg_temp', 'pg_catalog', 'information_schema', 'freshet_ddl');
    relation := case when c.object_type <> 'type' then c.objid end;
    perform pg_logical_emit_message(true, 'freshet.ddl', (
      jsonb_build_object('kind', 'ddl', 'tag', c.command_tag, 'object_type', c.object_type, 'object_identity', c.object_identity,
        'table', (select n.nspname || '.' || r.relname from pg_class r join pg_namespace n on n.oid = r.relnamespace where r.oid = relation))
      || case when relation is null then '{}' else freshet_ddl.columns(relation) end)::text);
    -- A message is ordered by where its record ends, and a change by where its begins: a change of another savepoint right
    -- behind it would tie with it. This puts a record between them.
    perform pg_logical_emit_message(false, 'freshet.gap', '');
  end loop;
exception when others then
  raise warning 'freshet: this statement is not recorded in the log: %', sqlerrm;
end $$;

create function freshet_ddl.record_drop() returns event_trigger
language plpgsql set search_path = pg_catalog as $$
declare
  o record;
begin
  for o in select * from pg_event_trigger_dropped_objects() loop
    -- What a dropped table took along is not listed; a column or type that was dropped by its name is.
    continue when o.is_temporary or not (o.object_type = 'table' or (o.original and o.object_type in ('table column', 'type')));
    perform pg_logical_emit_message(true, 'freshet.ddl', jsonb_build_object(
      'kind', 'ddl', 'tag', tg_tag, 'object_type', o.object_type, 'object_identity', o.object_identity,
      'table', case when o.object_type <> 'type' then o.address_names[1] || '.' || o.address_names[2] end)::text);
    perform pg_logical_emit_message(false, 'freshet.gap', '');
  end loop;
exception when others then
  raise warning 'freshet: this statement is not recorded in the log: %', sqlerrm;
end $$;

create event trigger freshet_ddl_record on ddl_command_end
  when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE TYPE', 'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN')
  execute function freshet_ddl.record();
create event trigger freshet_ddl_drop on sql_drop execute function freshet_ddl.record_drop();
