package ingest

import (
	"context"

	"freshet/ingest/change"
)

// boundary describes transactions where that is wanted: BEGIN and END on the transaction topic, and each event's place in
// its transaction. Both records belong to the transaction: it is not durable before its END is.
type boundary struct {
	topic *table // nil where transactions are not described

	open  bool // a transaction is at hand
	begun bool // and its BEGIN is published
	id    []byte
	at    change.Transaction // the place of the event at hand
	total uint64
	names map[string]int // collection -> its index in counts
	count []change.CollectionCount
}

// begin opens a transaction; a snapshot, which is none, does not call it.
func (b *boundary) begin(commit change.LSN, xid uint32) {
	if b.topic == nil {
		return
	}
	b.open, b.begun, b.total = true, false, 0
	b.id = change.AppendTransactionID(b.id[:0], xid, commit)
	b.count = b.count[:0]
	clear(b.names)
}

// place tells the next event where it stands. The first one of a transaction is preceded by BEGIN.
func (b *boundary) place(ctx context.Context, e *emitter, collection string) error {
	e.meta.Transaction = nil
	if !b.open {
		return nil
	}
	if !b.begun {
		b.begun = true
		err := b.publish(ctx, e, change.AppendTransactionBegin(nil, b.id, e.meta.CommitTime))
		if err != nil {
			return err
		}
	}
	b.at = change.Transaction{ID: b.id, Order: b.total + 1, CollectionOrder: b.count[b.index(collection)].Count + 1}
	e.meta.Transaction = &b.at
	return nil
}

// published counts an event; one that was parked instead is not counted, since readers wait for as many as END says.
func (b *boundary) published(collection string) {
	if !b.open {
		return
	}
	b.total++
	b.count[b.index(collection)].Count++
}

func (b *boundary) index(collection string) int {
	i, ok := b.names[collection]
	if !ok {
		i = len(b.count)
		b.names[collection] = i
		b.count = append(b.count, change.CollectionCount{Name: collection})
	}
	return i
}

// end closes the transaction; one without events leaves no trace.
func (b *boundary) end(ctx context.Context, e *emitter) error {
	e.meta.Transaction = nil
	begun := b.begun && b.open
	b.open = false
	if !begun {
		return nil
	}
	counts := b.count[:0:0]
	for _, c := range b.count {
		if c.Count > 0 {
			counts = append(counts, c)
		}
	}
	return b.publish(ctx, e, change.AppendTransactionEnd(nil, b.id, b.total, counts, e.meta.CommitTime))
}

// publish writes one of the two records. They carry no position of their own: the transaction's is in their id.
func (b *boundary) publish(ctx context.Context, e *emitter, value []byte) error {
	r := record{key: change.AppendTransactionKey(nil, b.id), value: value}
	return e.append(ctx, b.topic.partitions[0], &r)
}
