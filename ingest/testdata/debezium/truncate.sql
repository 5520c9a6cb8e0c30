insert into customers values (1,'Ann',null,1);
truncate customers;
truncate full_ident, nopk restart identity cascade;
begin; insert into customers values (2,'Bob',null,2); truncate customers; insert into customers values (3,'Cy',null,3); commit;
