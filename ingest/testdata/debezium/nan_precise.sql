insert into types_nan values (1,'NaN');
