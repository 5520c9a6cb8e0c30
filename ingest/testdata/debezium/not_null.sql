insert into not_null values (1,'t',1,1,true,1.5,'2024-01-01','2024-01-01','2024-01-01','{}','a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11','\x01',1.5,'{1}','ok','x','x');
update not_null set id=2;
delete from not_null;
