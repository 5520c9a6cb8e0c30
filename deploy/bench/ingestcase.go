package bench

import "fmt"

// benchSchema is the tables of the ingest benchmarks: the shapes and sizes that published figures of other readers of the
// log are of, so that they can be laid side by side.
var benchSchema = []string{
	`create table bench_event (id bigint primary key, product_id bigint not null, payload text not null, created_at timestamptz not null)`,
	`create table bench_orders (id bigint primary key, customer_id bigint not null, status text not null, total numeric(12,2) not null, created_at timestamptz not null)`,
	`create table bench_order_items (order_id bigint, line_no int, product_id bigint not null, qty int not null, price numeric(10,2) not null, primary key (order_id, line_no))`,
	`create table bench_stock (product_id bigint, store_id int, qty int not null, updated_at timestamptz not null, primary key (product_id, store_id))`,
	`insert into bench_stock select p, s, 1000, now() from generate_series(1, 10000) p, generate_series(1, 10) s`,
	`create publication freshet for table bench_event, bench_orders, bench_order_items, bench_stock`,
}

// ingestCase is changes that a slot is filled with.
type ingestCase struct {
	name    string
	changes int
	fill    []string
}

// ingestCases are of so many changes, less for what takes the server longer to write.
func ingestCases(rows int) []ingestCase {
	orders := max(rows/10, 1)
	return []ingestCase{
		{"1 insert a transaction", rows, []string{inserts(rows, 1)}},
		{"10 inserts a transaction", rows / 10 * 10, []string{inserts(rows, 10)}},
		{"1,000 inserts a transaction", rows / 1000 * 1000, []string{inserts(rows, 1000)}},
		{"10 updates a transaction", rows / 20 * 10, []string{updates(rows/20*10, 10)}},
		{"orders of 7 changes over 3 tables", orders * 7, []string{placeOrders(orders)}},
		{"all inserts in one transaction", rows, []string{inserts(rows, rows)}},
	}
}

// inserts writes row by row, size a transaction, on the server's side.
func inserts(rows, size int) string {
	return fmt.Sprintf(`do $$ begin for t in 0 .. %[1]d loop
		insert into bench_event select i, 1 + i %% 10000, rpad(md5(i::text), 150, 'abcdefghij'), clock_timestamp()
		from generate_series(t * %[2]d + 1, (t + 1) * %[2]d) i; commit; end loop; end $$`, rows/size-1, size)
}

func updates(rows, size int) string {
	return fmt.Sprintf(`do $$ begin for t in 0 .. %[1]d loop for k in 0 .. %[2]d loop
		update bench_stock set qty = qty - 1, updated_at = clock_timestamp()
		where product_id = 1 + (t * %[3]d + k) %% 10000 and store_id = 1 + ((t * %[3]d + k) / 10000) %% 10;
		end loop; commit; end loop; end $$`, rows/size-1, size-1, size)
}

// placeOrders writes what a shop writes most: an order, three lines, three changes of stock.
func placeOrders(n int) string {
	return fmt.Sprintf(`do $$ begin for i in 1 .. %d loop
		insert into bench_orders values (i, i %% 5000, 'placed', 59.97, clock_timestamp());
		insert into bench_order_items select i, g, 1 + (i * 7 + g * 13) %% 10000, 1, 19.99 from generate_series(1, 3) g;
		update bench_stock set qty = qty - 1, updated_at = clock_timestamp()
		where store_id = 1 + i %% 10 and product_id in (select 1 + (i * 7 + g * 13) %% 10000 from generate_series(1, 3) g);
		commit; end loop; end $$`, n)
}
