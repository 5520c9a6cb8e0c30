-- +goose Up
-- When an order, and what hangs on it, first came to each of its states. The database notes it, so that it is known whoever
-- changes a state and by what; a statement that says a time itself is believed. Of rows from before, nobody knows.
alter table orders
  add column paid_at timestamptz,
  add column shipped_at timestamptz,
  add column delivered_at timestamptz,
  add column cancelled_at timestamptz,
  add column expired_at timestamptz,
  add column refunded_at timestamptz,
  add column reason text check (length(reason) <= 500);
comment on column orders.reason is 'Why it was cancelled, as the customer or the shop said.';
comment on column orders.paid_at is 'When it was first paid, by the clock of the moment, not of the transaction''s start; so too the other states, of payments, lines, returns and refunds too. Null: not yet, or nobody noted it.';

alter table order_items
  add column cancelled_at timestamptz,
  add column reason text check (length(reason) <= 500);
comment on column order_items.reason is 'Why this line alone was cancelled.';

alter table payments
  add column authorized_at timestamptz,
  add column captured_at timestamptz,
  add column failed_at timestamptz,
  add column voided_at timestamptz,
  add column refunded_at timestamptz;

alter table returns
  add column approved_at timestamptz,
  add column rejected_at timestamptz,
  add column received_at timestamptz,
  add column refunded_at timestamptz;

-- A refund follows from what the transaction has just noted, and must not seem to have been before it.
alter table refunds
  add column done_at timestamptz,
  add column failed_at timestamptz,
  alter column created_at set default clock_timestamp();

-- +goose StatementBegin
create function orders_moment() returns trigger language plpgsql as $$
begin
  case new.status
    when 'paid' then new.paid_at := coalesce(new.paid_at, clock_timestamp());
    when 'shipped' then new.shipped_at := coalesce(new.shipped_at, clock_timestamp());
    when 'delivered' then new.delivered_at := coalesce(new.delivered_at, clock_timestamp());
    when 'cancelled' then new.cancelled_at := coalesce(new.cancelled_at, clock_timestamp());
    when 'expired' then new.expired_at := coalesce(new.expired_at, clock_timestamp());
    when 'refunded' then new.refunded_at := coalesce(new.refunded_at, clock_timestamp());
    else null;
  end case;
  return new;
end $$;
create function order_items_moment() returns trigger language plpgsql as $$
begin
  new.cancelled_at := coalesce(new.cancelled_at, clock_timestamp());
  return new;
end $$;
create function payments_moment() returns trigger language plpgsql as $$
begin
  case new.state
    when 'authorized' then new.authorized_at := coalesce(new.authorized_at, clock_timestamp());
    when 'captured' then new.captured_at := coalesce(new.captured_at, clock_timestamp());
    when 'failed' then new.failed_at := coalesce(new.failed_at, clock_timestamp());
    when 'voided' then new.voided_at := coalesce(new.voided_at, clock_timestamp());
    when 'refunded' then new.refunded_at := coalesce(new.refunded_at, clock_timestamp());
    else null;
  end case;
  return new;
end $$;
create function returns_moment() returns trigger language plpgsql as $$
begin
  case new.state
    when 'approved' then new.approved_at := coalesce(new.approved_at, clock_timestamp());
    when 'rejected' then new.rejected_at := coalesce(new.rejected_at, clock_timestamp());
    when 'received' then new.received_at := coalesce(new.received_at, clock_timestamp());
    when 'refunded' then new.refunded_at := coalesce(new.refunded_at, clock_timestamp());
    else null;
  end case;
  return new;
end $$;
create function refunds_moment() returns trigger language plpgsql as $$
begin
  case new.state
    when 'done' then new.done_at := coalesce(new.done_at, clock_timestamp());
    when 'failed' then new.failed_at := coalesce(new.failed_at, clock_timestamp());
    else null;
  end case;
  return new;
end $$;
-- +goose StatementEnd
-- A row that is inserted in a later state was there before: when it came to that state, only the statement can know.
create trigger moment before update of status on orders
  for each row when (new.status <> old.status) execute function orders_moment();
create trigger moment before update of status on order_items
  for each row when (new.status = 'cancelled' and old.status <> 'cancelled') execute function order_items_moment();
create trigger moment before update of state on payments
  for each row when (new.state <> old.state) execute function payments_moment();
create trigger moment before update of state on returns
  for each row when (new.state <> old.state) execute function returns_moment();
create trigger moment before update of state on refunds
  for each row when (new.state <> old.state) execute function refunds_moment();

-- Documents of orders also get what the rows had all along, the shipping, the tax and a refund's reason: where there are any,
-- their rows are published once more, behind this in the log.
insert into freshet_signals (kind, body)
  select 'snapshot', '{"id": "migration-12", "tables": ["public.orders", "public.refunds"], "rate": 5000}'
  where exists (select from orders);

-- +goose Down
drop trigger moment on refunds;
drop trigger moment on returns;
drop trigger moment on payments;
drop trigger moment on order_items;
drop trigger moment on orders;
drop function refunds_moment, returns_moment, payments_moment, order_items_moment, orders_moment;
alter table refunds drop column failed_at, drop column done_at, alter column created_at set default now();
alter table returns drop column refunded_at, drop column received_at, drop column rejected_at, drop column approved_at;
alter table payments drop column refunded_at, drop column voided_at, drop column failed_at, drop column captured_at, drop column authorized_at;
alter table order_items drop column reason, drop column cancelled_at;
alter table orders drop column reason, drop column refunded_at, drop column expired_at, drop column cancelled_at, drop column delivered_at,
  drop column shipped_at, drop column paid_at;
