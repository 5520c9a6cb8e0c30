create type color as enum ('red', 'green');
create table items (id bigint primary key, v bigint not null, color color, note text);
create table lines (sku text primary key, product_id bigint not null, qty bigint not null, note text);
create unique index lines_identity on lines (sku, product_id);
alter table lines replica identity using index lines_identity;
create table full_rows (id bigint primary key, product_id bigint not null, v text, note text);
alter table full_rows replica identity full;
create table reviews (id bigint primary key, product_id bigint not null, stars bigint not null);
create table bulk (id bigint primary key, v bigint not null);
create table guest (id bigint primary key, v bigint not null);
create table stores (id bigint primary key, v bigint not null);
create table private (id bigint generated always as identity, v bigint);
alter table items alter note set storage external;
alter table lines alter note set storage external;
alter table full_rows alter note set storage external;
create publication freshet for table items, lines, full_rows, reviews, bulk, guest, stores;

-- What was changed, by the word of triggers: rolled back with the change, committed with it.
create table history (seq bigint generated always as identity primary key, xid xid8 not null default pg_current_xact_id(),
	tbl text not null, op text not null, old jsonb, new jsonb);
create index on history (xid);
create function note() returns trigger language plpgsql as $$
begin
	if tg_table_name = 'guest' and not exists (select from pg_publication_tables where pubname = 'freshet' and tablename = 'guest') then
		return null;
	end if;
	insert into history (tbl, op, old, new) values (tg_table_name, case tg_op when 'INSERT' then 'c' else lower(left(tg_op, 1)) end,
		case when tg_op in ('UPDATE', 'DELETE') then to_jsonb(old) end, case when tg_op in ('INSERT', 'UPDATE') then to_jsonb(new) end);
	return null;
end $$;
create function note_truncate() returns trigger language plpgsql as $$
begin
	insert into history (tbl, op) values (tg_table_name, 't');
	return null;
end $$;
do $$ declare t text; begin
	foreach t in array array['items', 'lines', 'full_rows', 'reviews', 'guest', 'stores'] loop
		execute format('create trigger note after insert or update or delete on %I for each row execute function note()', t);
	end loop;
	foreach t in array array['items', 'lines', 'full_rows', 'reviews', 'bulk', 'stores'] loop
		execute format('create trigger note_truncate after truncate on %I for each statement execute function note_truncate()', t);
	end loop;
end $$;
create publication witness for table history with (publish = 'insert');
