insert into customers values (1,'Ann','a@x',1.50);
-- from here on it streams
insert into customers values (4,'Dan',null,0);
