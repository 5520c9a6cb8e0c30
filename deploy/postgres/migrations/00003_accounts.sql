-- +goose Up
-- Who signs in. All roles draw their ids from the customers' sequence, so that an id says who it is; a customer's account
-- has the customer's id.
create table accounts (
  id          bigint primary key,
  role        text not null check (role in ('customer','seller','support','data')),
  email       text not null check (length(email) between 3 and 254),
  password    text not null,
  active      boolean not null default true,
  customer_id bigint generated always as (case when role = 'customer' then id end) stored references customers on delete cascade,
  seller_id   bigint references sellers,
  created_at  timestamptz not null default now(),
  check ((role = 'seller') = (seller_id is not null))
);
create unique index on accounts (lower(email));
create index on accounts (customer_id) where customer_id is not null;
create index on accounts (seller_id) where seller_id is not null;
comment on table accounts is 'Who signs in, with a digest of their password. Personal data: not published.';

create table sessions (
  digest     bytea primary key check (length(digest) = 32),
  family     uuid not null,
  account_id bigint not null references accounts on delete cascade,
  used_at    timestamptz,
  expires_at timestamptz not null default now() + interval '30 days',
  created_at timestamptz not null default now()
);
create index on sessions (family);
create index on sessions (account_id);
create index on sessions (expires_at);
comment on table sessions is 'Refresh tokens, by their digest, each good once. One that comes a second time was stolen: its whole family ends. Not published.';

-- +goose Down
drop table sessions, accounts;
