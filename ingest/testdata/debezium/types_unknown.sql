insert into types_other values (1, '(1,1),(0,0)', '<(0,0),1>', '$.a', '0/16B3748', 'customers', 'fat & cat');
-- from here on it streams
insert into types_other values (10, '(1,1),(0,0)', '<(0,0),1>', '$.a', '0/16B3748', 'customers', 'fat & cat');
