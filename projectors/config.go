package projectors

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"freshet/ingest/broker"
)

// Config is what every stage of one process shares. The zero value of each optional field takes its default.
type Config struct {
	Brokers []string // "host:port"; required
	Prefix  string   // of all topics and consumer groups; required

	// Security is how the brokers are reached, default plain TCP without a name.
	Security broker.Security

	// FetchBytes is the most one fetch answers with, default 2 MiB. A worker holds about three of them: one in hand, one
	// ready, one on the way. Too small costs round trips while catching up, too large costs memory per partition.
	FetchBytes int
	// PartitionBytes is the most of one topic in it, default 512 KiB, so that a backlog of one topic can't crowd out another.
	PartitionBytes int
	// FetchWait is how long the broker holds a fetch when there is nothing, default 2 s. New records are answered at once
	// whatever it is; a small value costs idle CPU.
	FetchWait time.Duration

	// FetchPause is the least time from one fetch of a partition to the next, default 10 ms. A record that comes alone is not
	// held up by it; under a steady trickle less of it costs requests, more of it is added to the latency. While a stage gathers
	// in its Window nothing is fetched until shortly before that ends.
	FetchPause time.Duration

	// CommitInterval is the least time between commits, default 500 ms. It bounds what is handled again after a crash.
	CommitInterval time.Duration
	// ProgressInterval is the least time between two batches of progress records, default 40 ms; every process reads them. It adds to the time a
	// reader waits for its own write.
	ProgressInterval time.Duration

	// Heartbeat and SessionTimeout are the consumer group's, default 1 s and 10 s: how soon a member that died is noticed.
	Heartbeat      time.Duration
	SessionTimeout time.Duration
	// DrainTimeout is how long a batch in hand may go on when its generation ends, default 10 s. The group waits for it.
	DrainTimeout time.Duration

	// RetryMin and RetryMax bound the pauses between attempts at a batch that fails, default 50 ms and 5 s.
	RetryMin, RetryMax time.Duration

	// GoneAfter is how long the broker may not know a topic that is read before it counts as deleted, default 15 s. Less takes a
	// topic whose broker is coming up for deleted; more, and one that is made again meanwhile may be read on in its midst
	// until announced ends tell that it is another.
	GoneAfter time.Duration

	// Hurry is how long bulk makes room after a hot record, default 10 s: those who change one price a minute want it shown
	// at once too, but a shop that nobody changes is filled as fast as goes. See Stage.BulkBatch.
	Hurry time.Duration

	// MaxRecordBytes is the largest record the producer sends, default 900 KiB; it must stay below the broker's
	// message.max.bytes.
	MaxRecordBytes int
	// Compression of produced batches: "none" (default) or "lz4".
	Compression string

	// Controls is where the runtime learns what operators ask of the stages; nil when nobody can.
	Controls Controls
}

func (c *Config) setDefaults() {
	setDefault(&c.FetchBytes, 2<<20)
	setDefault(&c.PartitionBytes, 512<<10)
	setDefault(&c.FetchWait, 2*time.Second)
	setDefault(&c.FetchPause, 10*time.Millisecond)
	setDefault(&c.CommitInterval, 500*time.Millisecond)
	setDefault(&c.ProgressInterval, 40*time.Millisecond)
	setDefault(&c.Heartbeat, time.Second)
	setDefault(&c.SessionTimeout, 10*time.Second)
	setDefault(&c.DrainTimeout, 10*time.Second)
	setDefault(&c.RetryMin, 50*time.Millisecond)
	setDefault(&c.RetryMax, 5*time.Second)
	setDefault(&c.GoneAfter, 15*time.Second)
	setDefault(&c.Hurry, 10*time.Second)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) validate() error {
	var problems []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	refuse(len(c.Brokers) == 0, "no brokers")
	refuse(c.Prefix == "", "no topic prefix")
	refuse(c.PartitionBytes < 1<<10, "PartitionBytes %d is below 1 KiB", c.PartitionBytes)
	refuse(c.FetchBytes < c.PartitionBytes, "FetchBytes %d is below PartitionBytes %d", c.FetchBytes, c.PartitionBytes)
	refuse(c.FetchWait < 0 || c.FetchPause < 0 || c.CommitInterval < 0 || c.ProgressInterval < 0 || c.Hurry < 0 || c.GoneAfter < 0, "a negative interval")
	refuse(c.Heartbeat < 0 || 3*c.Heartbeat > c.SessionTimeout, "Heartbeat %s is more than a third of SessionTimeout %s", c.Heartbeat, c.SessionTimeout)
	refuse(c.DrainTimeout < 0, "DrainTimeout %s is negative", c.DrainTimeout)
	refuse(c.RetryMin < 0 || c.RetryMax < c.RetryMin, "RetryMax %s is below RetryMin %s", c.RetryMax, c.RetryMin)
	return errors.Join(problems...)
}

// validate reports all that is wrong with a stage, and fills in its default.
func (s *Stage) validate() error {
	var problems []error
	setDefault(&s.MaxBatch, 2000)
	setDefault(&s.InFlight, 1)
	if s.Name == "" {
		problems = append(problems, errors.New("a stage has no name"))
	}
	if len(s.Topics) == 0 {
		problems = append(problems, fmt.Errorf("stage %s has no topics", s.Name))
	}
	if s.New == nil {
		problems = append(problems, fmt.Errorf("stage %s has no handler", s.Name))
	}
	if s.BulkBatch < 0 || s.BulkBatch > s.MaxBatch || (s.BulkBatch == 0 && len(s.Overtake) > 0) {
		problems = append(problems, fmt.Errorf("stage %s: BulkBatch %d of MaxBatch %d, with %d topics that overtake", s.Name, s.BulkBatch, s.MaxBatch, len(s.Overtake)))
	}
	for _, topic := range s.Overtake {
		if !slices.Contains(s.Topics, topic) {
			problems = append(problems, fmt.Errorf("stage %s: %s overtakes and is no input", s.Name, topic))
		}
	}
	if s.MaxBatch < 1 || s.Window < 0 || s.Rest < 0 || s.InFlight < 1 || (s.InFlight > 1 && s.Rest > 0) {
		problems = append(problems, fmt.Errorf("stage %s: MaxBatch %d, Window %s, Rest %g, InFlight %d", s.Name, s.MaxBatch, s.Window, s.Rest, s.InFlight))
	}
	if s.Joint && (s.InFlight > 1 || s.Window == 0) {
		problems = append(problems, fmt.Errorf("stage %s: partitions that are handled together, and InFlight %d, Window %s", s.Name, s.InFlight, s.Window))
	}
	return errors.Join(problems...)
}
