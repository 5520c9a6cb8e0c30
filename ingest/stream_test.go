package ingest_test

import (
	"testing"
)

func TestStream(t *testing.T) {
	r := newRig(t,
		`create table products (id bigint primary key, name text, note text)`,
		`create table stores (id int primary key, code text)`,
		`create publication freshet for table products, stores`,
		`insert into products values (1, 'one', null), (2, 'two', 'x')`)
	r.start()
	r.settle()
	compare(t, lines(r.events("products")), []string{
		`{"id":1} r null -> {"id":1,"name":"one","note":null}`,
		`{"id":2} r null -> {"id":2,"name":"two","note":"x"}`,
	})
	r.exec(`insert into products values (3, 'three', null)`,
		`update products set name = 'drei' where id = 3`,
		`update products set id = 4 where id = 3`,
		`delete from products where id = 4`)
	r.settle()
	compare(t, lines(r.events("products"))[2:], []string{
		`{"id":3} c null -> {"id":3,"name":"three","note":null}`,
		`{"id":3} u null -> {"id":3,"name":"drei","note":null}`,
		`{"id":3} d {"id":3,"name":null,"note":null} -> null`,
		`{"id":3} -`,
		`{"id":4} c null -> {"id":4,"name":"drei","note":null}`,
		`{"id":4} d {"id":4,"name":null,"note":null} -> null`,
		`{"id":4} -`,
	})
}
