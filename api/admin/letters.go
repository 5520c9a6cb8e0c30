package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/projectors/replay"
)

// maxKeyShown bounds the key in an answer; keys are a few numbers.
const maxKeyShown = 1 << 10

// maxReplayed bounds how many letters one request sends again.
const maxReplayed = 100

// Letters is where the dead letters lie; replay.Desk is such a place.
type Letters interface {
	Ends(ctx context.Context) (first, end int64, err error)
	From(ctx context.Context, from, end int64, f func(*replay.Letter) error) error
	At(ctx context.Context, offset int64) (*replay.Letter, error)
	Send(ctx context.Context, l *replay.Letter) error
}

// DeadLetters is the answer: how many records are parked, and the newest of them.
type DeadLetters struct {
	Parked  int64    `json:"parked"`
	Letters []Letter `json:"letters"`
}

// Letter is a parked record: who could not apply it and why, where it stands, and how large it is. The value stays on the
// topic: it may be anything.
type Letter struct {
	Offset       int64  `json:"offset"`
	Stage        string `json:"stage"`
	Reason       string `json:"reason"`
	Topic        string `json:"topic,omitempty"`
	Partition    int    `json:"partition"`
	RecordOffset int64  `json:"record_offset"`
	Position     string `json:"position,omitempty"`
	Time         string `json:"time,omitempty"`
	Key          string `json:"key"`
	ValueBytes   int    `json:"value_bytes"`
	Truncated    bool   `json:"truncated,omitempty"`
}

func (d *Desk) deadLetters(c *fiber.Ctx) error {
	ctx := c.UserContext()
	limit, err := limit(string(c.Context().URI().QueryString()))
	if err != nil {
		return err
	}
	first, end, err := d.cfg.Letters.Ends(ctx)
	if err != nil {
		return unavailable(err)
	}
	answer := DeadLetters{Parked: end - first, Letters: []Letter{}}
	err = d.cfg.Letters.From(ctx, max(first, end-int64(limit)), end, func(l *replay.Letter) error {
		answer.Letters = append(answer.Letters, letter(l))
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	slices.Reverse(answer.Letters)
	return api.Send(c, http.StatusOK, answer)
}

func letter(l *replay.Letter) Letter {
	valid := func(text string) string { return strings.ToValidUTF8(text, "�") }
	return Letter{
		Offset: l.Offset, Stage: valid(l.Stage), Reason: valid(l.Reason), Topic: valid(l.Topic), Partition: max(l.Partition, 0),
		RecordOffset: max(l.RecordOffset, 0), Position: l.Position(), Time: l.Time,
		Key: valid(string(l.Key[:min(len(l.Key), maxKeyShown)])), ValueBytes: l.Size(), Truncated: l.Truncated,
	}
}

// Replayed is the answer to letters that were sent again.
type Replayed struct {
	Sent int `json:"sent"`
	// Commands publish the rows anew that ingest itself could not publish: of those there is no record to send.
	Commands []string `json:"commands"`
}

// replayLetters sends letters again. All of them are looked up before the first is sent.
func (d *Desk) replayLetters(c *fiber.Ctx) error {
	ctx := c.UserContext()
	var order struct {
		Offsets []int64 `json:"offsets"`
	}
	if err := api.Body(c, &order); err != nil {
		return err
	}
	if len(order.Offsets) == 0 || len(order.Offsets) > maxReplayed {
		return api.Errorf(api.Invalid, "Between 1 and %d offsets are needed.", maxReplayed).At("offsets")
	}
	letters := make([]*replay.Letter, len(order.Offsets))
	for i, offset := range order.Offsets {
		var err error
		if letters[i], err = d.cfg.Letters.At(ctx, offset); errors.Is(err, replay.ErrNotKept) {
			return api.Errorf(api.NotFound, "There is no letter at offset %d, or it is no longer kept.", offset).At("offsets")
		} else if err != nil {
			return unavailable(err)
		}
	}
	answer := Replayed{Commands: []string{}}
	for _, l := range letters {
		command, err := l.Command(d.cfg.Prefix)
		if err != nil {
			return err
		}
		if command != "" {
			answer.Commands = append(answer.Commands, command)
			continue
		}
		if err := d.cfg.Letters.Send(ctx, l); err != nil {
			return unavailable(err)
		}
		answer.Sent++
	}
	return api.Send(c, http.StatusOK, answer)
}
