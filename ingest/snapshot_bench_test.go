package ingest_test

import (
	"testing"
	"time"

	"freshet/ingest"
)

// BenchmarkSnapshot publishes the first snapshot of a million narrow rows.
func BenchmarkSnapshot(b *testing.B) {
	for _, connections := range []int{1, 2, 4} {
		b.Run(map[int]string{1: "connections=1", 2: "connections=2", 4: "connections=4"}[connections], func(b *testing.B) {
			const rows = 1_000_000
			r := newRig(b,
				`create table prices (id bigint primary key, product_id bigint not null, amount bigint not null, sku text not null)`,
				`insert into prices select i, i % 100000, i, 'SKU-' || i from generate_series(1, 1000000) i`,
				`vacuum analyze prices`, `checkpoint`, `create publication freshet for table prices`)
			for range b.N {
				before := r.records("prices")
				began := time.Now()
				run := r.start(func(c *ingest.Config) { c.SnapshotConnections, c.Resnapshot = connections, true })
				r.until("the snapshot to be on Kafka", func() bool { return r.records("prices") >= before+rows })
				b.ReportMetric(rows/time.Since(began).Seconds(), "rows/s")
				if err := run.stop(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
