package tally

import (
	"context"
	"strings"
	"time"

	"freshet/projectors"
	"freshet/projectors/demand"
)

// Run publishes what has settled until ctx ends, and then what is left.
func (t *Tally) Run(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	well := true
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt/5)
			defer cancel()
			t.publish(last, t.take(true), well)
			return nil
		case <-ticker.C:
			well = t.publish(ctx, t.take(false), well)
		}
	}
}

// publish sends events, or drops them and says so, once for each outage.
func (t *Tally) publish(ctx context.Context, events []demand.Event, well bool) bool {
	if len(events) == 0 {
		return well
	}
	messages := make([]projectors.Message, 0, len(events))
	for i := range events {
		key, value, err := events[i].Encode()
		if err != nil {
			t.drop("unwritable", 1, err, well)
			continue
		}
		messages = append(messages, projectors.Message{Topic: t.topic, Key: key, Value: value})
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	if _, err := t.cfg.Publisher.Publish(ctx, messages); err != nil {
		t.drop("unpublished", len(messages), err, well)
		return false
	}
	return true
}

func (t *Tally) drop(reason string, n int, err error, loud bool) {
	t.dropped.WithLabelValues(reason).Add(float64(n))
	if loud {
		t.cfg.Log.Warn("searches are not counted", "reason", reason, "topic", t.topic, "error", err.Error())
	}
}

// goesOn says whether a text is another on the way: typed further, or taken back.
func goesOn(before, after string) bool {
	return strings.HasPrefix(after, before) || strings.HasPrefix(before, after)
}
