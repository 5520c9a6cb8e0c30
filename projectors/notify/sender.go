package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors/document"
)

const (
	// tick is how often a Sender looks for what is due.
	tick = time.Second
	// lookAgain is how often it looks at what waits: with many waiting that is a query over all of them.
	lookAgain = 15 * time.Second
	// sendMost is how many it takes at a time.
	sendMost = 100
	// lease is for how long one that was taken is left alone. It is longer than a server may take to answer, so that a
	// Sender that lives is never overtaken by another.
	lease = time.Minute
	// attempts is how often one is tried, over about a day and a half.
	attempts = 20
)

// ErrNobody is wrapped by the error of a channel that has nobody to tell.
var ErrNobody = errors.New("there is nobody to tell")

// ErrRefused is wrapped by the error of a channel whose other side will never take the notification.
var ErrRefused = errors.New("refused for good")

// channel sends an event by one way. It must be harmless to send one again: the receiver knows it by its id.
type channel interface {
	Send(ctx context.Context, e Event) error
}

// Ways are the channels by name: "mail" and "webhook".
type Ways map[string]channel

// Sender sends what is due. One is enough; two that meet take turns by the documents' revisions.
type Sender struct {
	*Projector
	ways    Ways
	metrics *Metrics
	log     *slog.Logger
}

// NewSender returns the handler of a partition that also sends; ways are the channels by name.
func NewSender(db *mongo.Database, config document.Config, cfg ProjectorConfig, ways Ways, metrics *Metrics, log *slog.Logger) *Sender {
	return &Sender{Projector: NewProjector(db, config, cfg), ways: ways, metrics: metrics, log: log}
}

// Run implements projectors.Runner.
func (s *Sender) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer s.metrics.set(0, 0) // another process sends now, and says what waits
	looked := time.Time{}
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		n, err := s.sendDue(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if time.Since(looked) >= lookAgain {
			if err := s.look(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			looked = time.Now()
		}
		if n < sendMost {
			timer.Reset(tick)
		} else {
			timer.Reset(0)
		}
	}
}

// sendDue sends what is due, up to so many, and says how many it found.
func (s *Sender) sendDue(ctx context.Context) (int, error) {
	ids, err := s.documents.UpTo(ctx, "due", s.now().UnixMicro(), sendMost)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := s.sendOne(ctx, id); err != nil {
			return len(ids), err
		}
	}
	return len(ids), nil
}

// sendOne takes a notification, sends it and notes what came of it: taken, then sent, then noted. Whoever dies on the way
// leaves it due after the lease.
func (s *Sender) sendOne(ctx context.Context, id string) error {
	var mine bool
	docs, err := s.documents.Update(ctx, []string{id}, func(_ string, n *Notification) bool {
		now := s.now()
		// Of two that take it the later finds it taken, and is called again with what the other wrote.
		if mine = n.Due > 0 && n.Due <= now.UnixMicro(); mine {
			n.Due, n.Attempts = now.Add(lease).UnixMicro(), n.Attempts+1
		}
		return mine
	})
	if err != nil || !mine {
		return err
	}
	n := docs[id]
	sent := s.send(ctx, n)
	// What was sent is noted also when the partition is just given up, or it would be sent again.
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	noted, err := s.documents.Update(noting, []string{id}, func(_ string, doc *Notification) bool {
		if mine = doc.Attempts == n.Attempts; mine { // else the lease ran out, and another is at it
			doc.over(sent, s.now())
		}
		return mine
	})
	if err == nil && mine {
		s.metrics.count(noted[id])
	}
	return err
}

func (s *Sender) send(ctx context.Context, n *Notification) error {
	way, ok := s.ways[n.Channel]
	if !ok {
		return fmt.Errorf("%w: no way to send by %s is configured", ErrNobody, n.Channel)
	}
	ctx, cancel := context.WithTimeout(ctx, lease/2)
	defer cancel()
	err := way.Send(ctx, n.Event)
	if err != nil {
		s.log.Warn("notification not sent", "notification", n.ID, "attempt", n.Attempts, "error", err.Error())
	}
	return err
}

// over notes what an attempt came to: it is sent, will never be, or is due again, later each time.
func (n *Notification) over(err error, now time.Time) {
	n.Due, n.Error = 0, ""
	if err == nil {
		n.State = Sent
		return
	}
	n.Error = fmt.Sprintf("%.500s", err.Error())
	switch {
	case errors.Is(err, ErrNobody):
		n.State = Skipped
	case errors.Is(err, ErrRefused) || n.Attempts >= attempts:
		n.State = Failed
	default:
		n.Due = now.Add(min(time.Second<<min(n.Attempts, 13), 2*time.Hour)).UnixMicro()
	}
}
