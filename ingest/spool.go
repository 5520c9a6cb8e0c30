package ingest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// spool keeps the messages of transactions that are streamed while they run, until each commits or aborts. It belongs to
// the reader's goroutine. Its memory is bounded: past limit the largest transaction goes to a file. Nothing in it is
// durable or has to be: positions are of committed transactions, so what a crash takes away is streamed again.
type spool struct {
	dir, name string
	limit     int64
	metrics   *metrics

	txs  map[uint32]*spooled
	used int64    // bytes of chunks and of subtransactions' bookkeeping
	free [][]byte // chunks to use again; they go when no transaction is left
}

// chunkSize is the unit in which memory is taken and files are written and read.
const chunkSize = 256 << 10

func newSpool(config *Config, m *metrics) *spool {
	return &spool{dir: config.SpillDir, name: "freshet-" + config.Slot + "-", limit: config.StreamBytes, metrics: m, txs: map[uint32]*spooled{}}
}

// clean removes the files of a process that was killed between making a file and unlinking it. The caller holds the lock
// of the slot, so nobody else uses files of this name.
func (p *spool) clean() error {
	names, err := filepath.Glob(filepath.Join(p.dir, p.name+"*.spill"))
	if err != nil {
		return fmt.Errorf("list spill files: %w", err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a spill file: %w", err)
		}
	}
	return nil
}

func (p *spool) open(xid uint32) *spooled {
	t := &spooled{xid: xid, seen: map[uint32]struct{}{}}
	p.txs[xid] = t
	return t
}

// append adds a message of t or of its subtransaction sub. mark comes back with it.
func (p *spool) append(t *spooled, sub uint32, mark uint64, payload []byte) error {
	t.enter(p, sub)
	if n := len(t.chunks); n == 0 || len(t.chunks[n-1])+entryHeader+len(payload) > cap(t.chunks[n-1]) {
		p.grow(t, entryHeader+len(payload))
	}
	last := &t.chunks[len(t.chunks)-1]
	*last = appendEntry(*last, mark, payload)
	t.held += int64(entryHeader + len(payload))
	for p.used > p.limit {
		largest := p.largest()
		if largest == nil { // only bookkeeping is left, which can't be spilled
			break
		}
		if err := p.spill(largest); err != nil {
			return fmt.Errorf("spill transaction %d: %w", largest.xid, err)
		}
	}
	p.report()
	return nil
}

// grow gives t a chunk that takes size bytes.
func (p *spool) grow(t *spooled, size int) {
	var chunk []byte
	switch n := len(p.free); {
	case size > chunkSize:
		chunk = make([]byte, 0, size)
	case n > 0:
		chunk, p.free = p.free[n-1][:0], p.free[:n-1]
	default:
		chunk = make([]byte, 0, chunkSize)
	}
	t.chunks = append(t.chunks, chunk)
	p.used += int64(cap(chunk))
}

func (p *spool) largest() *spooled {
	var largest *spooled
	for _, t := range p.txs {
		if t.held > 0 && (largest == nil || t.held > largest.held) {
			largest = t
		}
	}
	return largest
}

// spill moves what t holds in memory to the end of its file.
func (p *spool) spill(t *spooled) error {
	if t.file == nil {
		var err error
		if t.file, err = p.create(); err != nil {
			return err
		}
	}
	at := t.spilled
	for _, chunk := range t.chunks {
		if _, err := t.file.WriteAt(chunk, at); err != nil {
			return err
		}
		at += int64(len(chunk))
	}
	p.metrics.spilled.Add(float64(at - t.spilled))
	t.spilled = at
	p.release(t, 0)
	return nil
}

// create makes a file that has no name any more: it goes with the process, however that ends.
func (p *spool) create() (*os.File, error) {
	file, err := os.CreateTemp(p.dir, p.name+"*.spill")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// release takes back the chunks of t from the i-th on.
func (p *spool) release(t *spooled, i int) {
	for j, chunk := range t.chunks[i:] {
		p.used -= int64(cap(chunk))
		t.held -= int64(len(chunk))
		if cap(chunk) == chunkSize {
			p.free = append(p.free, chunk)
		}
		t.chunks[i+j] = nil
	}
	t.chunks = t.chunks[:i]
}

// abort drops what the subtransaction sub of t did. A rollback to a savepoint undoes everything since, so its messages are
// the tail that begins with its first one: those of subtransactions inside it go with it, and no others can be there.
func (p *spool) abort(t *spooled, sub uint32) error {
	start, ok := t.leave(p, sub)
	if !ok {
		return nil // it did nothing that was streamed, or went with the one around it
	}
	if start >= t.spilled {
		p.cut(t, start-t.spilled)
		p.report()
		return nil
	}
	p.release(t, 0)
	t.spilled = start
	p.report()
	if err := t.file.Truncate(start); err != nil {
		return fmt.Errorf("drop subtransaction %d of %d: %w", sub, t.xid, err)
	}
	return nil
}

// cut keeps the first n bytes of what t holds in memory.
func (p *spool) cut(t *spooled, n int64) {
	for i, chunk := range t.chunks {
		if n < int64(len(chunk)) {
			t.held -= int64(len(chunk)) - n
			t.chunks[i] = chunk[:n]
			if n > 0 {
				i++
			}
			p.release(t, i)
			return
		}
		n -= int64(len(chunk))
	}
}

// drop forgets a transaction with its file.
func (p *spool) drop(t *spooled) error {
	delete(p.txs, t.xid)
	p.release(t, 0)
	p.used -= int64(len(t.subs))*subBytes + int64(len(t.said))*saidBytes
	if len(p.txs) == 0 {
		p.free = nil
	}
	p.report()
	if t.file == nil {
		return nil
	}
	if err := t.file.Close(); err != nil {
		return fmt.Errorf("close the spill file of transaction %d: %w", t.xid, err)
	}
	return nil
}

// close forgets everything.
func (p *spool) close() error {
	var errs []error
	for _, t := range p.txs {
		errs = append(errs, p.drop(t))
	}
	return errors.Join(errs...)
}

func (p *spool) report() { p.metrics.streamed.Set(float64(p.used)) }
