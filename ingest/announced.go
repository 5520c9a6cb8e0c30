package ingest

import (
	"context"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
)

// resume goes on from the highest LSN that progress has named. A process that is killed between announcing and storing its
// position leaves an announcement that is ahead of the position; its successor is silent until it has passed it, so that
// progress never goes back. What is beyond the server's log was announced of another one, and is nothing to wait for. The
// stages behind us write to the same topic, but fall silent when we do: its newest records suffice.
func (g *progress) resume(ctx context.Context) error {
	at, err := partitionOffsets(ctx, g.client, g.topic, 0)
	if err != nil {
		return err
	}
	return readTopic(ctx, g.client, g.topic, 0, max(at.first, at.last-lookBack), at.last, func(_ int64, r *kafka.Record) error {
		value, err := kafka.ReadAll(r.Value)
		if err != nil {
			return err
		}
		p, err := change.DecodeProgress(value)
		if err == nil && p.Stage == "ingest" && p.LSN <= g.written {
			g.last = max(g.last, p.LSN)
		}
		return err
	})
}
