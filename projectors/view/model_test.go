package view_test

import "testing"

// The model: a product and an offer, of which only the revisions count, and processes that write or replay. Every
// interleaving of their steps is explored.

// pair is a view: the revisions it was made of.
type pair struct{ product, offer int8 }

func (p pair) version() int8 { return p.product + p.offer }

// process publishes views of one document (its own) joined with the other. A writer changes its own first, a zombie that
// replays finds nothing to change.
type process struct {
	ownsOffer bool
	zombie    bool
	rounds    int8 // left to do
	at        int8 // step
	held      int8 // own revision
	other     int8 // the other's revision as read
}

const (
	swap = iota
	read
	check
	publish
)

const processes = 4

type state struct {
	now   pair
	procs [processes]process
	shown pair   // what a sink shows that keeps the highest version
	seen  uint64 // the instants there have been, a bit for each pair
}

func bit(p pair) uint64 { return 1 << (8*p.product + p.offer) }

type finding struct{ stepsBack, untrue, wrongEnds, states int }

// explore visits every state that can be reached.
func explore(checked bool) finding {
	start := state{now: pair{1, 1}, procs: [processes]process{
		{rounds: 2}, {ownsOffer: true, rounds: 2}, {zombie: true, rounds: 1}, {zombie: true, ownsOffer: true, rounds: 1},
	}}
	start.seen = bit(start.now)
	var f finding
	visited := map[state]bool{start: true}
	for todo := []state{start}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		ended := true
		for i := range s.procs {
			if s.procs[i].rounds == 0 {
				continue
			}
			ended = false
			next := s
			next.step(i, checked, &f)
			if !visited[next] {
				visited[next] = true
				todo = append(todo, next)
			}
		}
		if ended && s.shown != s.now {
			f.wrongEnds++
		}
	}
	f.states = len(visited)
	return f
}

func (s *state) step(i int, checked bool, f *finding) {
	p := &s.procs[i]
	own, other := &s.now.product, &s.now.offer
	if p.ownsOffer {
		own, other = other, own
	}
	switch p.at {
	case swap:
		if !p.zombie {
			*own++
			s.seen |= bit(s.now)
		}
		p.held, p.at = *own, read
	case read:
		p.other, p.at = *other, publish
		if checked {
			p.at = check
		}
	case check:
		p.at = publish
		if *own != p.held {
			p.held, p.at = *own, read
		}
	case publish:
		v := pair{p.held, p.other}
		if p.ownsOffer {
			v = pair{p.other, p.held}
		}
		s.sink(v, f)
		p.rounds--
		*p = process{ownsOffer: p.ownsOffer, zombie: p.zombie, rounds: p.rounds}
	}
}

func (s *state) sink(v pair, f *finding) {
	if s.seen&bit(v) == 0 {
		f.untrue++
	}
	if v.version() <= s.shown.version() {
		return
	}
	if v.product < s.shown.product || v.offer < s.shown.offer {
		f.stepsBack++
	}
	s.shown = v
}

func TestEveryInterleavingPublishesTrueViews(t *testing.T) {
	f := explore(true)
	t.Logf("%+v", f)
	if f.untrue > 0 || f.stepsBack > 0 || f.wrongEnds > 0 {
		t.Errorf("with the check: %+v", f)
	}
	if f.states < 10_000 {
		t.Errorf("only %d states: the model has lost its processes", f.states)
	}
}

// TestTheCheckIsNeeded shows what the second look at the own revision prevents.
func TestTheCheckIsNeeded(t *testing.T) {
	f := explore(false)
	t.Logf("%+v", f)
	if f.untrue == 0 || f.stepsBack == 0 {
		t.Errorf("without the check: %+v, want views that were never true and a sink that steps back", f)
	}
	if f.wrongEnds > 0 {
		t.Errorf("without the check the end must still be right: %+v", f)
	}
}
