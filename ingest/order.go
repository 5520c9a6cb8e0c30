package ingest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"freshet/ingest/change"
)

// The states of an incremental snapshot.
const (
	SnapshotRunning = "running"
	SnapshotPaused  = "paused"
	SnapshotDone    = "done"
	SnapshotStopped = "stopped"
	SnapshotRefused = "refused" // it can't be done; Reason says why
)

// maxKeys bounds the list of keys of one order: it is stored with every position until they are read.
const maxKeys = 1000

// Order asks for rows of tables to be published again while the stream goes on.
type Order struct {
	// ID names the snapshot for pause, resume and stop; default the position of the order in the stream.
	ID string `json:"id,omitempty"`
	// Tables are read one after the other, "schema.table"; without a schema, public.
	Tables []string `json:"tables,omitempty"`
	// From and To bound the primary key, both inclusive, by values for its first columns as Postgres writes them.
	From []string `json:"from,omitempty"`
	To   []string `json:"to,omitempty"`
	// Keys are the only rows to read, each by the values of its primary key; 1,000 at most.
	Keys [][]string `json:"keys,omitempty"`
	// Routes say, key by key, by which value of its routing column the sender holds the row, in documents of his own. With a
	// sweep, one that the table has no more is published as deleted even if its topic has lost every record of it.
	Routes []string `json:"routes,omitempty"`
	// Rate bounds the rows a second; 0 is no bound.
	Rate int `json:"rate,omitempty"`
	// Sweep publishes, at the end of a table, a delete for each key on its topic that the table has no more.
	Sweep bool `json:"sweep,omitempty"`
}

// Snapshot is an order and how far it has come.
type Snapshot struct {
	Order
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	// Since is where the stream stood at the order: what was published before it and not since is old.
	Since change.LSN `json:"since"`
	// Table is how many of Tables are done. Of the next one the rows up to key Cursor are, and with a list of keys the
	// first Read of them. Again are keys to be read once more. Sweeping says that only the sweep is left.
	Table    int        `json:"table"`
	Cursor   []string   `json:"cursor,omitempty"`
	Read     int        `json:"read,omitempty"`
	Again    [][]string `json:"again,omitempty"`
	Sweeping bool       `json:"sweeping,omitempty"`
	// SweepOnly says that the tables were read otherwise.
	SweepOnly bool `json:"sweep_only,omitempty"`
	// Parked counts rows of the table that could not be published.
	Parked int64 `json:"parked,omitempty"`

	Rows    int64     `json:"rows"`
	Total   int64     `json:"total,omitempty"` // about how many there will be, those of later tables left out
	Deleted int64     `json:"deleted,omitempty"`
	Began   time.Time `json:"began"`
	Updated time.Time `json:"updated"`
}

// Finished says that nothing more will happen to the snapshot.
func (s *Snapshot) Finished() bool { return s.State != SnapshotRunning && s.State != SnapshotPaused }

// standsAt says whether the snapshot is where it was. Keys to be read again may have joined behind.
func (s *Snapshot) standsAt(o *Snapshot) bool {
	return s.Table == o.Table && s.Read == o.Read && s.Sweeping == o.Sweeping && slices.Equal(s.Cursor, o.Cursor) && len(s.Again) >= len(o.Again)
}

// current is the table at hand, "" when none is left.
func (s *Snapshot) current() string {
	if s.Table >= len(s.Tables) {
		return ""
	}
	return s.Tables[s.Table]
}

// nextTable leaves the table at hand for the next one.
func (s *Snapshot) nextTable() {
	s.Table++
	s.Cursor, s.Read, s.Again, s.Sweeping, s.Parked = nil, 0, nil, s.SweepOnly, 0
	if s.current() == "" {
		s.end(SnapshotDone, "")
	}
}

// end leaves the snapshot to be remembered, without its lists.
func (s *Snapshot) end(state, reason string) {
	s.State, s.Reason = state, cmp.Or(reason, s.Reason)
	s.Keys, s.Routes, s.Again = nil, nil, nil
}

// Validate says what is wrong with the order, as far as that can be known without the tables.
func (o *Order) Validate() error {
	switch {
	case len(o.Tables) == 0:
		return errors.New("it names no tables")
	case (len(o.From) > 0 || len(o.To) > 0 || len(o.Keys) > 0) && len(o.Tables) > 1:
		return errors.New("a range or keys need exactly one table")
	case len(o.Keys) > 0 && (len(o.From) > 0 || len(o.To) > 0):
		return errors.New("give a range or keys, not both")
	case len(o.Keys) > maxKeys:
		return fmt.Errorf("%d keys, %d are the most: order several, or a range", len(o.Keys), maxKeys)
	case len(o.Routes) > 0 && len(o.Routes) != len(o.Keys):
		return fmt.Errorf("%d routes for %d keys", len(o.Routes), len(o.Keys))
	case o.Sweep && (len(o.From) > 0 || len(o.To) > 0):
		return errors.New("a range can't be swept: only Postgres knows its order; sweep the table or a list of keys")
	case o.Rate < 0:
		return fmt.Errorf("rate %d: want rows a second, or 0", o.Rate)
	}
	return nil
}

// Signal is an order to a running ingest. It travels in the log itself, as a logical message or as a row of
// freshet_signals, so that it is durable with its transaction and carried out exactly once.
type Signal struct {
	// Kind is snapshot, repair (a snapshot with a sweep), pause, resume or stop.
	Kind string `json:"kind"`
	Order
}

// qualified is a table's full name.
func qualified(table string) string {
	if strings.Contains(table, ".") {
		return table
	}
	return "public." + table
}

// keepFinished is how many finished snapshots are remembered for whoever asks.
const keepFinished = 5

// orders are the snapshots that are known, oldest first.
type orders []Snapshot

// apply carries a signal out. The error says what is wrong with it.
func (o orders) apply(sig Signal, at change.LSN, now time.Time) (orders, error) {
	switch sig.Kind {
	case "snapshot", "repair":
		if sig.ID == "" {
			sig.ID = at.String()
		}
		if o.find(sig.ID) != nil {
			return o, nil // it was read twice
		}
		s := Snapshot{Order: sig.Order, State: SnapshotRunning, Since: at, Began: now, Updated: now}
		s.Sweep = s.Sweep || sig.Kind == "repair"
		s.Tables = slices.Clone(sig.Tables)
		for i, t := range s.Tables {
			s.Tables[i] = qualified(t)
		}
		err := s.Validate()
		if err != nil {
			s.end(SnapshotRefused, err.Error())
		}
		return append(o, s).trimmed(), err
	case "pause", "resume", "stop":
		from, to := SnapshotRunning, SnapshotPaused
		if sig.Kind == "resume" {
			from, to = to, from
		}
		found := false
		for i := range o {
			s := &o[i]
			if (sig.ID != "" && s.ID != sig.ID) || s.Finished() {
				continue
			}
			found = true
			switch {
			case sig.Kind == "stop":
				s.end(SnapshotStopped, "")
			case s.State == from:
				s.State = to
			}
			s.Updated = now
		}
		if !found {
			return o, fmt.Errorf("no snapshot %q is under way", sig.ID)
		}
		return o.trimmed(), nil
	default:
		return o, fmt.Errorf("kind %q: want snapshot, repair, pause, resume or stop", sig.Kind)
	}
}

func (o orders) find(id string) *Snapshot {
	for i := range o {
		if o[i].ID == id {
			return &o[i]
		}
	}
	return nil
}

// spare leaves a table out of the sweep behind a first snapshot: rows of it could not be published, and would be taken for
// deleted.
func (o orders) spare(table string) orders {
	out := o.clone()
	for i := range out {
		s := &out[i]
		if !s.SweepOnly || s.Finished() || !slices.Contains(s.Tables, table) {
			continue
		}
		s.Tables = slices.DeleteFunc(slices.Clone(s.Tables), func(t string) bool { return t == table })
		s.Reason = strings.TrimPrefix(s.Reason+"; "+table+" was not swept: rows of it are on the dead-letter topic", "; ")
		if s.current() == "" {
			s.State = SnapshotDone
		}
	}
	return out
}

// trimmed forgets the oldest of the finished.
func (o orders) trimmed() orders {
	finished := 0
	for i := len(o) - 1; i >= 0; i-- {
		if !o[i].Finished() {
			continue
		}
		if finished++; finished > keepFinished {
			o = slices.Delete(o, i, i+1)
		}
	}
	return o
}

// clone copies the orders for whoever stores them while they change.
func (o orders) clone() orders {
	out := slices.Clone(o)
	for i := range out {
		out[i].Again = slices.Clone(out[i].Again)
	}
	return out
}

// parseSignal reads the body of a logical message.
func parseSignal(content []byte) (Signal, error) {
	var sig Signal
	if err := json.Unmarshal(content, &sig); err != nil {
		return sig, fmt.Errorf("read the signal: %w", err)
	}
	return sig, nil
}

// parseSignalRow reads the envelope of a row of freshet_signals: the columns kind and body.
func parseSignalRow(envelope []byte) (Signal, error) {
	var row struct {
		After struct {
			Kind string `json:"kind"`
			Body string `json:"body"`
		} `json:"after"`
	}
	var sig Signal
	if err := json.Unmarshal(envelope, &row); err != nil {
		return sig, fmt.Errorf("read the signal: %w", err)
	}
	if err := json.Unmarshal([]byte(row.After.Body), &sig.Order); err != nil {
		return sig, fmt.Errorf("read the signal's body: %w", err)
	}
	sig.Kind = row.After.Kind
	return sig, nil
}
