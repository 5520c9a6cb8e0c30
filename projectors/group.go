package projectors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
)

// runStage takes part in the stage's consumer group, one generation after the other, until the context ends (nil) or the
// stage can't go on.
func (r *Runtime) runStage(ctx context.Context, stage *Stage) error {
	logger := r.logger.With("stage", stage.Name)
	if err := r.checkTopics(ctx, stage, logger); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	group, err := r.joinGroup(stage, logger)
	if err != nil {
		return err
	}
	defer closeGroup(group, logger)
	for {
		assigned, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, kafka.RebalanceInProgress):
			continue
		case err != nil:
			logger.Warn("joining the consumer group failed, trying again", "error", err)
			continue
		}
		g := newGeneration(r, stage, assigned, logger)
		assigned.Start(func(intake context.Context) { g.run(ctx, intake) })
		select {
		case <-g.done:
		case <-ctx.Done():
			// Closing ends the generation and waits until its batches in hand are finished and committed.
			closeGroup(group, logger)
			<-g.done
		}
		if g.fatal != nil || ctx.Err() != nil {
			return g.fatal
		}
	}
}

func closeGroup(group *kafka.ConsumerGroup, logger *slog.Logger) {
	if err := group.Close(); err != nil {
		logger.Warn("leaving the consumer group failed", "error", err)
	}
}

// checkTopics waits until all topics exist and refuses those that can't work.
func (r *Runtime) checkTopics(ctx context.Context, stage *Stage, logger *slog.Logger) error {
	needed := append([]string{change.ProgressTopic(r.config.Prefix), change.DeadLetterTopic(r.config.Prefix)}, stage.Topics...)
	counts, err := waitTopics(ctx, r.client, logger, append(needed, stage.Outputs...))
	if err != nil {
		return err
	}
	if _, err := width(stage, counts); err != nil {
		return err
	}
	pause := newBackoff(r.config.RetryMin, r.config.RetryMax)
	for {
		err := refuseCompacted(ctx, r.client, stage.Topics)
		var compacted *compactedError
		if err == nil || errors.As(err, &compacted) {
			return err
		}
		if pause.loud() {
			logger.Warn("the topics' settings can't be read, trying again", "error", err)
		}
		if !pause.wait(ctx) {
			return err
		}
	}
}

func (r *Runtime) joinGroup(stage *Stage, logger *slog.Logger) (*kafka.ConsumerGroup, error) {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:                r.config.Prefix + "." + stage.Name,
		Brokers:           r.config.Brokers,
		Dialer:            r.config.Security.Dialer("freshet"),
		Topics:            stage.Topics,
		GroupBalancers:    []kafka.GroupBalancer{copartitioned{}},
		HeartbeatInterval: r.config.Heartbeat,
		SessionTimeout:    r.config.SessionTimeout,
		// The group waits this long for members that finish their batch; one that takes longer is expelled.
		RebalanceTimeout: 2*r.config.DrainTimeout + r.config.SessionTimeout,
		JoinGroupBackoff: r.config.Heartbeat,
		StartOffset:      kafka.FirstOffset,
		ErrorLogger:      kafka.LoggerFunc(func(format string, args ...any) { logger.Debug(fmt.Sprintf(format, args...)) }),
	})
	if err != nil {
		return nil, fmt.Errorf("consumer group of stage %s: %w", stage.Name, err)
	}
	return group, nil
}
