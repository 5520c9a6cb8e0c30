-- After loading, as a dump is restored: what is checked and sorted at once costs less.
alter table bench_eav.product add foreign key (kind_id) references bench_eav.kind;
alter table bench_eav.product_text add foreign key (product_id) references bench_eav.product on delete cascade;
alter table bench_eav.value add foreign key (product_id) references bench_eav.product on delete cascade;
alter table bench_eav.value add foreign key (attribute_id) references bench_eav.attribute;
create index on bench_eav.product (category_id, id);
create index on bench_eav.value (attribute_id, keyword, product_id) where keyword is not null;
create index on bench_eav.value (attribute_id, number, product_id) where number is not null;
create index on bench_eav.value (attribute_id, boolean, product_id) where boolean is not null;
