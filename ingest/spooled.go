package ingest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// spooled is the log of one streamed transaction: the messages of it and its subtransactions in the order they came, the
// older ones in a file, the rest in memory.
type spooled struct {
	xid    uint32
	origin string

	chunks  [][]byte
	held    int64 // bytes in chunks
	file    *os.File
	spilled int64 // bytes in file

	subs []subtransaction // in the order of their first messages
	seen map[uint32]struct{}
	// said are the ends of runs of logical messages in the log.
	said []int64
}

// size is the length of the log.
func (t *spooled) size() int64 { return t.spilled + t.held }

// say notes that what was appended from start on is a logical message.
func (t *spooled) say(p *spool, start int64) {
	if n := len(t.said); n > 0 && t.said[n-1] == start {
		t.said[n-1] = t.size()
		return
	}
	t.said = append(t.said, t.size())
	p.used += saidBytes
}

// endsInMessage says whether the log's last entry is a logical message.
func (t *spooled) endsInMessage(p *spool) bool {
	for len(t.said) > 0 && t.said[len(t.said)-1] > t.size() {
		t.said = t.said[:len(t.said)-1]
		p.used -= saidBytes
	}
	n := len(t.said)
	return n > 0 && t.said[n-1] == t.size()
}

// subtransaction remembers where in the log a subtransaction's messages begin.
type subtransaction struct {
	xid   uint32
	start int64
}

// subBytes is about what a subtransaction costs: its place in subs and in seen.
const subBytes = 32

// saidBytes is what the end of a run of messages costs.
const saidBytes = 8

// enter notes the first message of a subtransaction.
func (t *spooled) enter(p *spool, sub uint32) {
	if sub == t.xid {
		return
	}
	if _, ok := t.seen[sub]; ok {
		return
	}
	t.seen[sub] = struct{}{}
	t.subs = append(t.subs, subtransaction{sub, t.size()})
	p.used += subBytes
}

// leave forgets a subtransaction and those that began after it, and returns where its messages begin.
func (t *spooled) leave(p *spool, sub uint32) (start int64, ok bool) {
	if _, ok := t.seen[sub]; !ok {
		return 0, false
	}
	for n := len(t.subs) - 1; n >= 0; n-- {
		last := t.subs[n]
		t.subs = t.subs[:n]
		delete(t.seen, last.xid)
		p.used -= subBytes
		if last.xid == sub {
			return last.start, true
		}
	}
	return 0, false
}

// entryHeader is an entry's length and mark.
const entryHeader = 4 + 8

func appendEntry(dst []byte, mark uint64, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.BigEndian.AppendUint64(dst, mark)
	return append(dst, payload...)
}

// replay hands the log over, message by message, and gives its memory back on the way. A payload is valid during its call.
func (t *spooled) replay(p *spool, each func(mark uint64, payload []byte) error) error {
	if t.spilled > 0 {
		if err := t.replayFile(each); err != nil {
			return err
		}
	}
	for len(t.chunks) > 0 {
		for rest := t.chunks[0]; len(rest) > 0; {
			n := entryHeader + int(binary.BigEndian.Uint32(rest))
			if err := each(binary.BigEndian.Uint64(rest[4:]), rest[entryHeader:n:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		// The first goes to the end, from where it is released.
		last := len(t.chunks) - 1
		first := t.chunks[0]
		copy(t.chunks, t.chunks[1:])
		t.chunks[last] = first
		p.release(t, last)
	}
	return nil
}

func (t *spooled) replayFile(each func(mark uint64, payload []byte) error) error {
	in := bufio.NewReaderSize(io.NewSectionReader(t.file, 0, t.spilled), chunkSize)
	var header [entryHeader]byte
	var payload []byte
	for {
		_, err := io.ReadFull(in, header[:])
		if errors.Is(err, io.EOF) { // only between two entries
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the spill file of transaction %d: %w", t.xid, err)
		}
		n := int(binary.BigEndian.Uint32(header[:]))
		if int64(n) > t.spilled {
			return fmt.Errorf("the spill file of transaction %d is damaged", t.xid)
		}
		if cap(payload) < n {
			payload = make([]byte, n)
		}
		payload = payload[:n]
		if _, err := io.ReadFull(in, payload); err != nil {
			return fmt.Errorf("read the spill file of transaction %d: %w", t.xid, err)
		}
		if err := each(binary.BigEndian.Uint64(header[4:]), payload); err != nil {
			return err
		}
	}
}
