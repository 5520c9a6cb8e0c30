-- +goose Up
create table queued_orders (
  id          text primary key check (id ~ '^[0-9a-f]{32}$'),
  customer_id bigint not null,
  state       text not null check (state in ('placed','refused')),
  order_id    bigint references orders on delete set null,
  problem     jsonb,
  accepted_at timestamptz not null,
  settled_at  timestamptz not null default now(),
  check ((state = 'refused') = (problem is not null))
);
create index on queued_orders (settled_at);
create index on queued_orders (order_id) where order_id is not null;
comment on table queued_orders is 'What became of orders that were taken while the database was away, written with the order itself. Kept 30 days. Not published.';

-- +goose Down
drop table queued_orders;
