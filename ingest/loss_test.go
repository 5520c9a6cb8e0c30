package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
)

// lossCase is a history that made Debezium's connector lose changes at a restart: it kept the LSN of the last change as
// its position, which orders nothing.
type lossCase struct {
	why     string
	history func(s []pgx.Tx, run func(tx pgx.Tx, sql string), commit func(tx pgx.Tx))
	// transactions is how many commits of published changes the history has.
	transactions int
}

var lossCases = map[string]lossCase{
	"DBZ-1128": {
		"a transaction that began first, with the lower LSNs, commits last",
		func(s []pgx.Tx, run func(pgx.Tx, string), commit func(pgx.Tx)) {
			run(s[0], `insert into products values (1, 1)`)
			run(s[1], `insert into products values (2, 2)`)
			commit(s[1])
			run(s[0], `insert into products values (3, 3)`)
			commit(s[0])
		}, 2,
	},
	"DBZ-1730": {
		"the changes of two transactions alternate in the log",
		func(s []pgx.Tx, run func(pgx.Tx, string), commit func(pgx.Tx)) {
			for i := range 5 {
				run(s[0], fmt.Sprintf(`insert into products values (%d, 1)`, 10+i))
				run(s[1], fmt.Sprintf(`insert into products values (%d, 2)`, 20+i))
			}
			commit(s[0])
			commit(s[1])
		}, 2,
	},
	"DBZ-5031": {
		"the first change after the restart lies beyond the stored one, and nothing ends the skipping",
		func(s []pgx.Tx, run func(pgx.Tx, string), commit func(pgx.Tx)) {
			run(s[0], `insert into private select generate_series(1, 2000)`)
			commit(s[0])
			run(s[1], `insert into products values (1, 1)`)
			commit(s[1])
			run(s[2], `update products set v = 2`)
			commit(s[2])
		}, 2,
	},
	"DBZ-5739": {
		"a long transaction spans many short ones",
		func(s []pgx.Tx, run func(pgx.Tx, string), commit func(pgx.Tx)) {
			run(s[0], `insert into products values (1, 1)`)
			for i := 1; i < 4; i++ {
				run(s[i], fmt.Sprintf(`insert into products values (%d, %d)`, 10+i, i))
				commit(s[i])
			}
			run(s[0], `update products set v = 9 where id = 1`)
			commit(s[0])
		}, 4,
	},
	"DBZ-5915": {
		"BEGIN has the LSN of the change behind it",
		func(s []pgx.Tx, run func(pgx.Tx, string), commit func(pgx.Tx)) {
			run(s[0], `insert into products values (1, 1)`)
			run(s[0], `insert into products values (2, 1)`)
			commit(s[0])
		}, 1,
	},
	"DBZ-6204": {
		"COMMIT has the LSN of the BEGIN and of the change behind it",
		func(s []pgx.Tx, run func(pgx.Tx, string), commit func(pgx.Tx)) {
			for i, tx := range s {
				run(tx, fmt.Sprintf(`insert into products values (%d, 1)`, i))
				commit(tx)
			}
		}, 4,
	},
	"DBZ-7816": {
		"the transaction that ends first after the restart is not the one that begins first",
		func(s []pgx.Tx, run func(pgx.Tx, string), commit func(pgx.Tx)) {
			run(s[0], `insert into products values (1, 1)`)
			run(s[1], `insert into products values (2, 1)`)
			run(s[2], `insert into products values (3, 1)`)
			commit(s[2])
			commit(s[1])
			commit(s[0])
		}, 3,
	},
	"dbz#1554": {
		"the rows of one multi-insert share one LSN",
		func(s []pgx.Tx, run func(pgx.Tx, string), commit func(pgx.Tx)) {
			run(s[0], `insert into products select i, i from generate_series(1, 50) i`)
			commit(s[0])
			run(s[1], `insert into products select i, i from generate_series(51, 80) i`)
			commit(s[1])
		}, 2,
	},
	"dbz#2058": {
		"a logical message stands in the transaction",
		func(s []pgx.Tx, run func(pgx.Tx, string), commit func(pgx.Tx)) {
			run(s[0], `select pg_logical_emit_message(true, 'p', 'first')`)
			run(s[0], `insert into products values (1, 1)`)
			run(s[0], `select pg_logical_emit_message(true, 'p', 'between')`)
			run(s[0], `insert into products values (2, 1)`)
			commit(s[0])
			run(s[1], `select pg_logical_emit_message(false, 'p', 'outside')`)
			run(s[1], `insert into products values (3, 1)`)
			commit(s[1])
		}, 2,
	},
	"dbz#76, dbz#51": {
		"a transaction is in progress at the restart, and others were committed after its first change",
		func(s []pgx.Tx, run func(pgx.Tx, string), commit func(pgx.Tx)) {
			run(s[0], `insert into products values (1, 1)`)
			run(s[1], `insert into products values (2, 1)`)
			commit(s[1])
			run(s[2], `insert into products values (3, 1)`)
			run(s[3], `update products set v = 7 where id = 2`)
			commit(s[3])
			commit(s[0])
			commit(s[2])
		}, 4,
	},
}

// TestDebeziumsLosses restarts ingest at every point of each history: the stored position is that of one transaction
// after the other, and the slot is behind all of them, as it is after a crash before Postgres wrote down what was
// acknowledged. What stands behind the position comes again, whole and alone (pitfalls 1, 2, 3, 10).
func TestDebeziumsLosses(t *testing.T) {
	for name, c := range lossCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, counters, `create table private (id int)`)
			run := r.start()
			r.settle()
			if err := run.stop(); err != nil {
				t.Fatal(err)
			}
			start := r.confirmed()
			r.exec(`select pg_copy_logical_replication_slot('` + r.prefix + `', '` + r.prefix + `_old')`)
			t.Logf("restarts where %s", c.why)
			c.write(r)
			run = r.start()
			r.settle()
			if err := run.stop(); err != nil {
				t.Fatal(err)
			}
			want := r.events("products")
			points := append([]change.LSN{start}, commitsOf(want)...)
			if len(points) != c.transactions+1 {
				t.Fatalf("%d transactions on Kafka, want %d", len(points)-1, c.transactions)
			}
			for i, point := range points {
				r.rewind(point+1, i+2)
				before := r.counts("products")
				r.exec(`insert into private values (0)`) // the log must move, or the last run's progress would do for this one
				run := r.start()
				r.settle()
				if err := run.stop(); err != nil {
					t.Fatal(err)
				}
				// A position is where a transaction ends, which is behind its commit record's LSN.
				compare(t, lines(r.behind("products", before)), lines(after(want, point)))
			}
			r.check()
		})
	}
}

// write runs the history with a session for each of its transactions.
func (c *lossCase) write(r *rig) {
	r.t.Helper()
	var s []pgx.Tx
	for range 4 {
		conn, err := pgx.Connect(r.t.Context(), r.url)
		if err != nil {
			r.t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.Background()) }() // its work is done
		tx, err := conn.Begin(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		s = append(s, tx)
	}
	c.history(s,
		func(tx pgx.Tx, sql string) {
			if _, err := tx.Exec(r.t.Context(), sql); err != nil {
				r.t.Fatalf("%s: %v", sql, err)
			}
		},
		func(tx pgx.Tx) {
			if err := tx.Commit(r.t.Context()); err != nil {
				r.t.Fatal(err)
			}
		})
}

// commitsOf are the commit positions of events, each once.
func commitsOf(events []rawRecord) (out []change.LSN) {
	for _, e := range events {
		if commit := e.event.Position.Commit; len(out) == 0 || out[len(out)-1] != commit {
			out = append(out, commit)
		}
	}
	return out
}

func after(events []rawRecord, commit change.LSN) []rawRecord {
	return events[slices.IndexFunc(append(events, rawRecord{event: change.Event{Position: change.Position{Commit: 1 << 62}}}),
		func(e rawRecord) bool { return e.event.Position.Commit > commit }):]
}

// acknowledged waits until the slot has followed the log, which may end a page header further than what was sent.
func (r *rig) acknowledged() {
	r.t.Helper()
	target := r.wal()
	r.until("the slot follows the log", func() bool { return r.confirmed() >= target-1 })
}

// confirmed is where the slot stands: an idle stream moves it on after the last progress.
func (r *rig) confirmed() change.LSN {
	r.t.Helper()
	var text string
	if err := r.conn.QueryRow(r.t.Context(), "select confirmed_flush_lsn::text from pg_replication_slots where slot_name = $1", r.prefix).Scan(&text); err != nil {
		r.t.Fatal(err)
	}
	lsn, err := change.ParseLSN(text)
	if err != nil {
		r.t.Fatal(err)
	}
	return lsn
}

// rewind makes the stored position an older one, and the slot one that knows of no acknowledgement since the beginning.
func (r *rig) rewind(lsn change.LSN, generation int) {
	r.t.Helper()
	topic := change.PositionTopic(r.prefix)
	records, err := r.read(topic, 0, 0)
	if err != nil || len(records) == 0 {
		r.t.Fatalf("read the stored position: %d records, %v", len(records), err)
	}
	var position map[string]any
	if err := json.Unmarshal(records[len(records)-1].value, &position); err != nil {
		r.t.Fatal(err)
	}
	position["lsn"], position["generation"] = lsn.String(), generation
	value, err := json.Marshal(position)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.produce(topic, 0, kafka.Record{Key: kafka.NewBytes([]byte(r.prefix)), Value: kafka.NewBytes(value)}); err != nil {
		r.t.Fatal(err)
	}
	r.exec(`select pg_drop_replication_slot('`+r.prefix+`')`,
		`select pg_copy_logical_replication_slot('`+r.prefix+`_old', '`+r.prefix+`')`)
}

// produce writes records as somebody else would.
func (r *rig) produce(topic string, partition int, records ...kafka.Record) error {
	answer, err := r.client.Produce(r.t.Context(), &kafka.ProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err != nil {
		return err
	}
	return answer.Error
}

// counts returns how many records each partition of a table has.
func (r *rig) counts(table string) (ends []int64) {
	r.t.Helper()
	topic := change.Topic(r.prefix, "public", table)
	for p := range r.config.Partitions {
		records, err := r.read(topic, p, 0)
		if err != nil {
			r.t.Fatal(err)
		}
		ends = append(ends, int64(len(records)))
	}
	return ends
}

// behind returns the records that came after counts.
func (r *rig) behind(table string, counts []int64) []rawRecord {
	r.t.Helper()
	all := r.events(table)
	return slices.DeleteFunc(all, func(e rawRecord) bool { return e.offset < counts[e.partition] })
}
