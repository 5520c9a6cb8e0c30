package stream

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

// operation is one kind of change; make returns its statements.
type operation struct {
	name   string
	weight int
	make   func(n *nemesis) []string
}

type repertoire []operation

// takesColumn are the operations after which a column is not there as it was. Postgres can't read a column of yesterday,
// whatever the snapshot: beside a first snapshot they leave rows that are of no instant, until the change that follows is
// published.
var takesColumn = []string{"rename a column", "drop a column", "change a type"}

// altersCatalog says whether an operation is one that decoding has to know of. A slot that is being made does not learn of
// those that are committed while it waits for older transactions, and decodes the first that follow by the catalog of
// before (a defect of Postgres up to 18): values of a new enum label can't be read at all, new columns are left out.
func altersCatalog(name string) bool { return name != "loose message" }

// pick chooses by weight.
func (r repertoire) pick(rng *rand.Rand) operation {
	total := 0
	for _, op := range r {
		total += op.weight
	}
	at := rng.IntN(total)
	for _, op := range r {
		if at -= op.weight; at < 0 {
			return op
		}
	}
	return r[0]
}

// keys are few, so that sessions meet on them.
const keys = 8

func (n *nemesis) key() int { return n.rng.IntN(keys) }

func one(format string, args ...any) []string { return []string{fmt.Sprintf(format, args...)} }

// operations run in transactions of several statements, beside those of other sessions.
var operations = repertoire{
	{"insert item", 16, func(n *nemesis) []string {
		return one("insert into items (id, v, color, note) values (%d, %d, 'red', '%s') on conflict (id) do update set v = excluded.v", n.key(), n.rng.IntN(1e6), n.blob())
	}},
	{"update item", 24, func(n *nemesis) []string {
		return one("update items set v = %d where id = %d", n.rng.IntN(1e6), n.key())
	}},
	{"update several items", 6, func(n *nemesis) []string {
		return one("update items set v = v + 1 where id %% 2 = %d", n.rng.IntN(2))
	}},
	{"change large value", 4, func(n *nemesis) []string {
		return one("update items set note = '%s' where id = %d", n.blob(), n.key())
	}},
	{"delete item", 10, func(n *nemesis) []string { return one("delete from items where id = %d", n.key()) }},
	{"move key of item", 5, func(n *nemesis) []string { return one("update items set id = %d where id = %d", n.key(), n.key()) }},
	{"copy items", 4, func(n *nemesis) []string {
		var rows strings.Builder
		for range 5 + n.rng.IntN(20) {
			fmt.Fprintf(&rows, "%d\t%d\tcopied\n", n.ids.Add(1), n.rng.IntN(1e6))
		}
		return []string{"copy items" + rows.String(), fmt.Sprintf("delete from items where id >= 1000 and id < %d", n.ids.Load()-30)}
	}},
	{"insert line", 10, func(n *nemesis) []string {
		return one("insert into lines values ('s%d', %d, %d, '%s') on conflict (sku) do update set qty = excluded.qty", n.key(), n.key(), n.rng.IntN(100), n.blob())
	}},
	{"move line to a product", 6, func(n *nemesis) []string {
		return one("update lines set product_id = %d where sku = 's%d'", n.key(), n.key())
	}},
	{"rename line", 4, func(n *nemesis) []string {
		return one("update lines set sku = 's%d' where sku = 's%d'", n.key(), n.key())
	}},
	{"update line", 8, func(n *nemesis) []string {
		return one("update lines set qty = qty + 1 where sku = 's%d'", n.key())
	}},
	{"delete line", 4, func(n *nemesis) []string { return one("delete from lines where sku = 's%d'", n.key()) }},
	{"full row", 10, func(n *nemesis) []string {
		return one(`insert into full_rows values (%d, %d, '%d "\\ é', '%s') on conflict (id) do update set v = excluded.v, product_id = excluded.product_id`,
			n.key(), n.key(), n.rng.IntN(1e6), n.blob())
	}},
	{"delete full rows", 3, func(n *nemesis) []string { return one("delete from full_rows where id %% 3 = %d", n.rng.IntN(3)) }},
	{"review", 6, func(n *nemesis) []string {
		return one("insert into reviews values (%d, %d, %d) on conflict (id) do update set stars = excluded.stars", n.key(), n.key(), n.rng.IntN(5))
	}},
	{"delete review", 2, func(n *nemesis) []string { return one("delete from reviews where id = %d", n.key()) }},
	{"store", 3, func(n *nemesis) []string {
		return one("insert into stores values (%d, 1) on conflict (id) do update set v = stores.v + 1", n.key())
	}},
	{"private row", 4, func(n *nemesis) []string { return one("insert into private (v) values (%d)", n.key()) }},
	{"message", 3, func(n *nemesis) []string {
		content := fmt.Sprintf("message %d", n.rng.Uint32())
		return []string{
			fmt.Sprintf("select pg_logical_emit_message(true, 'nemesis', '%s')", content),
			fmt.Sprintf(`insert into history (tbl, op, new) values ('message', 'm', '{"prefix":"nemesis","content":"%s"}')`, base64.StdEncoding.EncodeToString([]byte(content))),
		}
	}},
}

// large is one transaction of many rows. It is not left to chance: one too many and a slow machine reads nothing else.
func (n *nemesis) large(rows int64) string {
	from := n.ids.Add(rows) - rows + 1
	return fmt.Sprintf(`begin; truncate bulk; insert into bulk select i, %[3]d from generate_series(%[1]d::bigint, %[2]d) i;
		insert into history (tbl, op, new) values ('bulk', 'b', '{"from":%[1]d,"to":%[2]d,"v":%[3]d}'); commit`, from, from+rows-1, from)
}

// alone run one at a time, each statement in a transaction of its own unless it says begin.
var alone = repertoire{
	{"truncate items", 2, func(n *nemesis) []string {
		return one("begin; insert into items (id, v) values (%d, 1) on conflict do nothing; truncate items; insert into items (id, v) values (%d, 2); commit", n.key(), n.key())
	}},
	{"truncate two tables", 1, func(*nemesis) []string { return one("truncate lines, full_rows") }},
	{"add and fill a column", 3, func(n *nemesis) []string {
		return one("begin; alter table items add column if not exists extra bigint default %d; update items set v = v + 1; commit", n.rng.IntN(1e6))
	}},
	{"rename a column", 2, func(*nemesis) []string {
		return one(`do $$ begin
			if exists (select from pg_attribute where attrelid = 'items'::regclass and attname = 'extra')
				and not exists (select from pg_attribute where attrelid = 'items'::regclass and attname = 'other') then
				alter table items rename column extra to other; update items set v = v + 1; end if; end $$`)
	}},
	{"drop a column", 3, func(n *nemesis) []string {
		return one("begin; alter table items drop column if exists extra, drop column if exists other; update items set v = v + 1; commit")
	}},
	{"change a type", 2, func(n *nemesis) []string {
		return one("begin; alter table items alter v type %s; update items set v = v + 1; commit", []string{"int", "bigint"}[n.rng.IntN(2)])
	}},
	{"add an enum value", 2, func(n *nemesis) []string {
		id := n.ids.Add(1)
		return []string{
			fmt.Sprintf("alter type color add value 'c%d'", id),
			fmt.Sprintf("update items set color = 'c%d' where id = %d", id, n.key()),
		}
	}},
	{"loose message", 3, func(n *nemesis) []string {
		content := fmt.Sprintf("loose %d", n.rng.Uint32())
		n.mu.Lock()
		n.loose[base64.StdEncoding.EncodeToString([]byte(content))] = true
		n.mu.Unlock()
		return one("select pg_logical_emit_message(false, 'nemesis', '%s')", content)
	}},
	// The table leaves the publication empty and comes back empty: what is done to it meanwhile is nobody's affair.
	{"alter the publication", 2, func(n *nemesis) []string {
		const absent = "do $$ begin if not exists (select from pg_publication_tables where pubname = 'freshet' and tablename = 'guest') then %s; end if; end $$"
		return []string{
			// A server that was killed may have left it half way.
			fmt.Sprintf(absent, "delete from guest"), fmt.Sprintf(absent, "alter publication freshet add table guest"),
			fmt.Sprintf("insert into guest values (%d, 1) on conflict do nothing", n.key()),
			"delete from guest", "alter publication freshet drop table guest",
			"insert into guest values (1, 1), (2, 2)", "update guest set v = 7", "delete from guest",
			"alter publication freshet add table guest",
			fmt.Sprintf("insert into guest values (%d, 1), (%d, 2) on conflict do nothing", n.key(), n.key()),
		}
	}},
}
