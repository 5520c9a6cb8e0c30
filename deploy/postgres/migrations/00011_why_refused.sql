-- +goose Up
-- One of a few words, which quotes nobody: it may be published, and the customer told.
alter table queued_orders add column reason text check (reason in ('stock', 'price', 'cart', 'late', 'other'));
alter publication freshet drop table queued_orders;
alter publication freshet add table queued_orders (id, customer_id, state, reason, accepted_at, settled_at);

-- +goose Down
alter publication freshet drop table queued_orders;
alter publication freshet add table queued_orders (id, customer_id, state, accepted_at, settled_at);
alter table queued_orders drop column reason;
