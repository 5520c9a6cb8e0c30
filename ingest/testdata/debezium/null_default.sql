insert into defaults (id) values (1);
insert into defaults values (2, null, null, null, default);
insert into customers values (1,'Ann',null,1);
delete from customers;
insert into idx_ident values (1,'c1',1);
delete from idx_ident;
