-- +goose Up
create table feed_quantities (
  store_id bigint not null,
  sku      text not null,
  quantity bigint not null check (quantity >= 0),
  primary key (store_id, sku),
  foreign key (store_id, sku) references inventory on delete cascade
);
comment on table feed_quantities is 'The figure that a product feed last gave for a SKU. Given again it is no news: it must not bring back what was sold since. Not published.';

-- +goose Down
drop table feed_quantities;
