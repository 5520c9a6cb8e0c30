-- +goose Up
alter table inventory add column halted boolean not null default false;
create index inventory_halted on inventory (store_id, sku) where halted;
comment on column inventory.halted is 'Nothing of it is sold: what the books say of it doesn''t agree. `freshet reconcile` sets it, mends, and takes it off.';

-- +goose Down
alter table inventory drop column halted;
