insert into customers values (1,'Ann',null,1);
insert into types_num values (1, 123, 123456, 1234567890123, 1.5, 2.25, 12345.67, 12345678901234567890123456789012345678, 3.14159, 100, 12.34, true, 42, default);
insert into types_text values (1, 'text', 'varchar', 'ab', 'bp', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"b": 1,  "a": [1, 2]}', '{"b": 1,  "a": [1.50, 2]}', '<a>x</a>', '\xdeadbeef00', 'happy', 'nm');
insert into types_time values (1, '2024-02-29', '12:34:56', '12:34:56.789', '12:34:56.789012', '12:34:56.789012+05:30', '2024-02-29 12:34:56', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56+02', '2024-02-29 12:34:56.789012+02', '1 year 2 mons 3 days 04:05:06.789');
insert into types_net values (1, '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', B'1', B'10101010', B'101', '(1.5,2)', '[1,5)', '[1,5]', '(1.5,2.5)', '[2024-01-01,2024-01-02)', '[2024-01-01 00:00:00+00,)', '[2024-01-01,2024-01-31]', 'a=>1, b=>NULL, "c d"=>"x\"y"', 'Top.Science.Astronomy', 'a fat cat');
insert into types_arr values (1, '{1,NULL,3}', '{1,2}', '{9223372036854775807}', '{a,"b c",NULL,"q\"x"}', '{x,y}', '{t,f,NULL}', '{1.10,2}', '{1.5,NaN}', '{2024-02-29}', '{"2024-02-29 12:34:56.789012"}', '{"2024-02-29 12:34:56.789012+00"}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{sad,happy}', array['{"a": 1}'::jsonb], '{{1,2},{3,4}}', array['\xdead'::bytea], array['[1,5)'::int4range]);
insert into types_inf values (1, 'infinity', 'infinity', '2024-01-01', 'Infinity', 'NaN');
insert into defaults (id) values (1);
delete from customers;
