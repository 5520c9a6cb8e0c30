drop schema if exists bench_jsonb cascade;
create schema bench_jsonb;
create table bench_jsonb.attribute_def (
  code   text primary key,
  domain text not null check (domain in ('keyword', 'number', 'boolean'))
);
create table bench_jsonb.product (
  id          bigint primary key,
  kind        text not null,
  category_id bigint not null,
  attributes  jsonb not null check (jsonb_typeof(attributes) = 'object')
);
create table bench_jsonb.product_text (
  product_id  bigint not null,
  lang        text not null,
  title       text not null,
  description text not null,
  primary key (product_id, lang)
);
