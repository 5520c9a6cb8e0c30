-- After loading; the indexes of the numbers, one each, are made from the registry.
alter table bench_jsonb.product_text add foreign key (product_id) references bench_jsonb.product on delete cascade;
create index on bench_jsonb.product (category_id, id);
create index on bench_jsonb.product using gin (attributes jsonb_path_ops);
