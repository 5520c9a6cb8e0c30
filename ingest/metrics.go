package ingest

import (
	"github.com/prometheus/client_golang/prometheus"

	"freshet/ingest/change"
)

// metrics are what an operator watches. Their names and meanings are listed in docs/topics.md.
type metrics struct {
	events            *prometheus.CounterVec           // by op
	ops               map[change.Op]prometheus.Counter // events, resolved: the lookup by label costs more than the count
	bytes             prometheus.Counter
	transactions      prometheus.Counter
	batches           prometheus.Counter
	retries           prometheus.Counter
	deadLetters       prometheus.Counter
	broadcasts        prometheus.Counter
	restarts          prometheus.Counter
	buffered          prometheus.Gauge
	streamed          prometheus.Gauge
	spilled           prometheus.Counter
	durable           prometheus.Gauge
	lagBytes          prometheus.Gauge
	retained          prometheus.Gauge
	safeWAL           prometheus.Gauge
	inactive          prometheus.Gauge
	oldestTransaction prometheus.Gauge
	walStatus         *prometheus.GaugeVec // by status, 1 for the current one
	snapshotRows      *prometheus.GaugeVec // by table and state (done, total)
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "freshet", Subsystem: "ingest", Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "freshet", Subsystem: "ingest", Name: name, Help: help})
	}
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "freshet", Subsystem: "ingest", Name: "events_total", Help: "Change events published, by operation.",
		}, []string{"op"}),
		bytes:             counter("bytes_total", "Bytes of records published, before compression."),
		transactions:      counter("transactions_total", "Transactions read from the slot."),
		batches:           counter("batches_total", "Record batches that Kafka acknowledged."),
		retries:           counter("produce_retries_total", "Batches sent again after a failure."),
		deadLetters:       counter("dead_letters_total", "Rows parked on the dead-letter topic."),
		broadcasts:        counter("broadcast_deletes_total", "Deletes sent to every partition because the log did not carry the routing column."),
		restarts:          counter("restarts_total", "Reconnections after a failure."),
		buffered:          gauge("buffered_bytes", "Bytes read and not yet acknowledged by Kafka."),
		streamed:          gauge("streamed_bytes", "Memory held by streamed transactions that have not ended."),
		spilled:           counter("spilled_bytes_total", "Bytes of streamed transactions written to spill files."),
		durable:           gauge("durable_lsn", "Position up to which every change is on Kafka."),
		lagBytes:          gauge("lag_bytes", "WAL written and not yet durable on Kafka."),
		retained:          gauge("slot_retained_bytes", "WAL that the slot keeps on the server's disk."),
		safeWAL:           gauge("slot_safe_wal_bytes", "WAL that can still be written before the slot may lose its log; only with max_slot_wal_keep_size."),
		inactive:          gauge("slot_inactive_seconds", "Time since the slot was last read, 0 while it is; Postgres 17 and later."),
		oldestTransaction: gauge("oldest_transaction_seconds", "Age of the oldest transaction that writes: it keeps the slot's WAL whatever ingest does."),
		walStatus: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "freshet", Subsystem: "ingest", Name: "slot_wal_status", Help: "1 for the slot's current wal_status.",
		}, []string{"status"}),
		snapshotRows: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "freshet", Subsystem: "ingest", Name: "snapshot_rows", Help: "Rows of the snapshot, done and (estimated) total.",
		}, []string{"table", "state"}),
	}
	m.ops = map[change.Op]prometheus.Counter{}
	for _, op := range []change.Op{change.Create, change.Update, change.Delete, change.Read, change.Truncate, change.Message} {
		m.ops[op] = m.events.WithLabelValues(string(rune(op)))
	}
	for _, c := range []prometheus.Collector{
		m.events, m.bytes, m.transactions, m.batches, m.retries, m.deadLetters, m.broadcasts, m.restarts,
		m.buffered, m.streamed, m.spilled, m.durable, m.lagBytes, m.retained, m.safeWAL, m.inactive, m.oldestTransaction, m.walStatus, m.snapshotRows,
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
