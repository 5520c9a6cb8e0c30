insert into types_nan values (1,'NaN'),(2,'Infinity'),(3,'-Infinity');
