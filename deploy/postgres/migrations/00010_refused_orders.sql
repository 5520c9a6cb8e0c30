-- +goose Up
-- What an order was refused for may quote what a customer typed: that stays here.
alter publication freshet add table queued_orders (id, customer_id, state, accepted_at, settled_at);
comment on table queued_orders is 'What became of orders that were taken while the database was away, written with the order itself. Kept 30 days. Published without order and problem.';

-- +goose Down
alter publication freshet drop table queued_orders;
comment on table queued_orders is 'What became of orders that were taken while the database was away, written with the order itself. Kept 30 days. Not published.';
