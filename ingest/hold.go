package ingest

import (
	"context"
	"time"

	"freshet/ingest/change"
)

// reach is called before the stream passes a place in the log: what is left of the first snapshot stands at one, and is
// published there before anything else is. The status timer runs on, so that the server keeps the stream.
func (s *stream) reach(ctx context.Context, lsn change.LSN) error {
	if s.first == nil || lsn < s.first.at {
		return nil
	}
	s.emitter.publisher.flush()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.copy(ctx, s.emitter.meta.LastCommit) }()
	ticker := time.NewTicker(statusEvery)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			if err == nil {
				s.first = nil
				close(s.copied)
			}
			return err
		case <-ticker.C:
			s.reader.lastMessage = time.Now() // silence is ours, not the server's, while we don't read
			if err := s.reader.tick(false); err != nil {
				cancel()
				<-ended
				return err
			}
		}
	}
}

// onceCopied puts off what is only for a stream with nothing left of its first snapshot.
func (s *stream) onceCopied(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case <-s.copied:
			return run(ctx)
		}
	}
}
