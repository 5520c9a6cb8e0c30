insert into customers values (1,'Ann',null,1);
update customers set id=2;
delete from customers;
