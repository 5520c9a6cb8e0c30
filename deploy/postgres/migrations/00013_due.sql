-- +goose NO TRANSACTION
-- +goose Up
-- The indexes of what is due are used by those alone who look for all of it, and say so: id > 0, which is true of every row.
-- Without that condition Postgres took them for statements that know their row by its key and say its state too: right after
-- a vacuum such an index has one page and costs nothing, and the plan is kept while it fills with thousands of dead entries.
-- Built beside the writers; whatever a run that was cut off has left is dropped first.
drop index concurrently if exists orders_due;
create index concurrently orders_due on orders (expires_at) where status = 'placed' and id > 0;
drop index concurrently if exists orders_expires_at_idx;

drop index concurrently if exists carts_due;
create index concurrently carts_due on carts (expires_at) where state = 'open' and id > 0;
drop index concurrently if exists carts_expires_at_idx;

drop index concurrently if exists payment_tasks_next;
create index concurrently payment_tasks_next on payment_tasks (due_at) where state = 'due' and id > 0;
drop index concurrently if exists payment_tasks_due;

drop index concurrently if exists reservations_held;
create index concurrently reservations_held on reservations (store_id, sku, expires_at) where state = 'active' and id > 0;
drop index concurrently if exists reservations_due;

-- Nobody looks for the holds of all SKUs that have run out.
drop index concurrently if exists reservations_expires_at_idx;

-- +goose Down
create index concurrently if not exists reservations_expires_at_idx on reservations (expires_at) where state = 'active';
create index concurrently if not exists reservations_due on reservations (store_id, sku, expires_at) where state = 'active';
create index concurrently if not exists payment_tasks_due on payment_tasks (due_at) where state = 'due';
create index concurrently if not exists carts_expires_at_idx on carts (expires_at) where state = 'open';
create index concurrently if not exists orders_expires_at_idx on orders (expires_at) where status = 'placed';
drop index concurrently if exists reservations_held;
drop index concurrently if exists payment_tasks_next;
drop index concurrently if exists carts_due;
drop index concurrently if exists orders_due;
