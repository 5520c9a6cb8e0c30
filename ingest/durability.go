package ingest

import (
	"context"
	"slices"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
)

// transaction is the durability of one transaction: pending batches hold records of it.
type transaction struct {
	end     change.LSN
	time    int64
	pending int
	closed  bool
	// mark is what to store with the position once the transaction is durable; may be nil.
	mark func(*position)
}

// begin opens a transaction; records appended for it keep it from being durable.
func (p *publisher) begin() *transaction {
	tx := &transaction{}
	p.mu.Lock()
	p.queue = append(p.queue, tx)
	p.mu.Unlock()
	return tx
}

// commit closes a transaction: nothing more will be appended for it.
func (p *publisher) commit(tx *transaction, end change.LSN, commitTime int64) {
	p.mu.Lock()
	tx.end, tx.time, tx.closed = end, commitTime, true
	p.advance()
	p.mu.Unlock()
}

// abandon forgets a transaction that will not be closed, so that those before it can still become durable.
func (p *publisher) abandon(tx *transaction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queue, tx); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
		p.advance()
		p.notify()
	}
}

// reached tells that the server has sent everything before lsn. Only when nothing is in flight does that make it durable.
func (p *publisher) reached(lsn change.LSN, serverTime int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 && lsn > p.durable {
		p.durable, p.time = lsn, serverTime
		p.notify()
	}
}

// advance takes durable transactions off the queue's front. The lock is held.
func (p *publisher) advance() {
	n := 0
	for n < len(p.queue) && p.queue[n].closed && (p.queue[n].pending == 0 || failpoint.Enabled("ack-early")) {
		n++
	}
	if n == 0 {
		return
	}
	last := p.queue[n-1]
	for _, tx := range p.queue[:n] {
		if tx.mark != nil {
			p.marks = append(p.marks, tx.mark)
		}
	}
	clear(p.queue[:n])
	if p.queue = p.queue[n:]; len(p.queue) == 0 {
		p.queue = nil
	}
	if last.end > p.durable {
		p.durable, p.time, p.delivered = last.end, last.time, last.end
		p.notify()
	} else if len(p.marks) > 0 {
		p.notify()
	}
}

// takeMarks returns the state with the marks that became durable by it, and forgets them.
func (p *publisher) takeMarks() (state, []func(*position)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	marks := p.marks
	p.marks = nil
	return p.stateLocked(), marks
}

// notify wakes whoever waits for a change of durable or err. The lock is held.
func (p *publisher) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// state is what the keepers of position and progress look at.
type state struct {
	durable change.LSN
	time    int64
	idle    bool // nothing is in flight
	// delivered is the end of the last transaction that is durable; durable itself also grows while nothing happens.
	delivered change.LSN
	marked    bool // there is something to store beside
	changed   <-chan struct{}
	err       error
}

func (p *publisher) state() state {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stateLocked()
}

func (p *publisher) stateLocked() state {
	return state{p.durable, p.time, len(p.queue) == 0, p.delivered, len(p.marks) > 0, p.changed, p.err}
}

// drain waits until everything appended is acknowledged, or the context ends.
func (p *publisher) drain(ctx context.Context) {
	p.flush()
	for {
		s := p.state()
		if s.idle || s.err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		}
	}
}
