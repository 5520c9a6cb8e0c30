-- +goose Up
alter table order_items add column shipment_id bigint references shipments on delete set null;
create index on order_items (shipment_id) where shipment_id is not null;
comment on column order_items.shipment_id is 'The parcel that the line was sent in; a line goes whole.';

alter table shipment_events add column eta timestamptz;
comment on column shipment_events.eta is 'When the carrier then expected to deliver; of the newest event that says so it is the parcel''s.';

alter table returns add column note text check (length(note) <= 500);
comment on column returns.note is 'What the shop says to it, such as why it was rejected.';

-- +goose Down
alter table returns drop column note;
alter table shipment_events drop column eta;
alter table order_items drop column shipment_id;
