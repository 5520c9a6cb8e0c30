package ingest

import (
	"context"

	"freshet/ingest/change"
	"freshet/ingest/topic"
)

// sideTopics are the topics beside the tables' that ingest writes: each has one partition, so that its order is total.
func (c *Config) sideTopics() []topic.Spec {
	specs := []topic.Spec{
		{Name: change.MessageTopic(c.Prefix), Partitions: 1, Retention: c.Retention},
		// Bounded by size: a reader that comes late wants to know how a table came to be what it is.
		{Name: change.SchemaTopic(c.Prefix), Partitions: 1, KeepBytes: 64 << 20},
	}
	if c.Transactions {
		specs = append(specs, topic.Spec{Name: change.TransactionTopic(c.Prefix), Partitions: 1, Retention: c.Retention})
	}
	return specs
}

// newEmitter returns the emitter of a session; wait is set by whoever drives it.
func (s *session) newEmitter(p *publisher) *emitter {
	s.context = contextHeaders(&s.config)
	e := &emitter{publisher: p, metrics: s.metrics, log: s.log.Warn, context: s.context}
	e.messages = s.sideTable(p, change.MessageTopic(s.config.Prefix), change.MessageCollection)
	e.schemas = s.sideTable(p, change.SchemaTopic(s.config.Prefix), "schema")
	if s.config.Transactions {
		e.boundary = boundary{topic: s.sideTable(p, change.TransactionTopic(s.config.Prefix), "transaction"), names: map[string]int{}}
	}
	return e
}

// sideTable makes a topic of no table look like one to the emitter.
func (s *session) sideTable(p *publisher, name, collection string) *table {
	return &table{name: collection, beside: true, encoder: change.NewEncoder(s.source, "", "", nil, nil), routing: -1, partitions: p.partitions(name)}
}

// side publishes what stands in key and value to a topic beside the tables', at the position at hand. What no topic takes is
// parked, and not published.
func (e *emitter) side(ctx context.Context, t *table) (published bool, err error) {
	if len(e.value)+len(e.key) > e.publisher.config.MaxRecordBytes {
		return false, e.park(ctx, t, &tooLargeError{len(e.value), e.publisher.config.MaxRecordBytes})
	}
	e.setHeaders(t, nil, "", nil)
	return true, e.append(ctx, t.partitions[0], &record{key: e.key, value: e.value, headers: e.headers})
}
