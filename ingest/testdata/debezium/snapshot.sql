insert into customers values (1,'Ann','a@x',1.50),(2,'Bob',null,2),(3,'Cy',null,null);
insert into full_ident values (1,'x',1);
insert into nopk values (1,'a'),(2,'b');
-- from here on it streams
insert into customers values (4,'Dan',null,0);
