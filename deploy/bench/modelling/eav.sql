drop schema if exists bench_eav cascade;
create schema bench_eav;
create table bench_eav.kind (
  id   integer generated always as identity primary key,
  code text not null unique
);
create table bench_eav.attribute (
  id     integer generated always as identity primary key,
  code   text not null unique,
  domain text not null check (domain in ('keyword', 'number', 'boolean'))
);
create table bench_eav.product (
  id          bigint primary key,
  kind_id     integer not null,
  category_id bigint not null
);
create table bench_eav.product_text (
  product_id  bigint not null,
  lang        text not null,
  title       text not null,
  description text not null,
  primary key (product_id, lang)
);
create table bench_eav.value (
  product_id   bigint not null,
  attribute_id integer not null,
  keyword      text,
  number       double precision,
  boolean      boolean,
  primary key (product_id, attribute_id),
  check (num_nonnulls(keyword, number, boolean) = 1)
);
