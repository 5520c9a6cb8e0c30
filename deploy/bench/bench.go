// Package bench measures a running Freshet the way its users feel it: how long until a committed row is on the product
// page, the category page and in the search result, how fast ingest drains a slot, how fast pages, searches and rebuilds
// are.
//
// `freshet bench …` calls it. It drives the public surfaces alone (SQL, HTTP, the slot, the topics), so that a figure never
// depends on what a stage says of itself. Latencies of loads are counted from the moment a request was due, not from when
// a busy client came round to send it (no coordinated omission).
package bench

import (
	"context"
	"time"

	"freshet/ingest/broker"
)

// Target is the running Freshet that is measured. A benchmark uses what it needs of it.
type Target struct {
	Read  string // URL of the read API
	Write string // URL of the write API
	Admin string // URL of the admin API
	Token string // of the admin API

	PostgresURL   string
	Brokers       []string
	Security      broker.Security // how the brokers are reached
	MongoURL      string
	MongoDatabase string
	ElasticURL    string
	Prefix        string // of the topics and the indices

	Version string                           // of Freshet, for the report
	Note    func(format string, args ...any) // told of the progress, for people; required
}

// cluster is the Kafka of the target.
func (t *Target) cluster() broker.Cluster {
	return broker.Cluster{Addresses: t.Brokers, Security: t.Security}
}

// report begins a report: what runs where, and the load the machine had before we add ours.
func (t *Target) report(ctx context.Context, name string, setting map[string]string) *Report {
	return &Report{
		Name: name, At: time.Now().UTC().Truncate(time.Second),
		Machine: machine(t.Version), Servers: t.servers(ctx), Setting: setting,
	}
}
