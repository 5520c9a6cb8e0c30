package validator

import (
	"encoding/binary"
	"hash/crc32"
	"sort"

	"freshet/ingest/change"
)

// version is one record's identity: a delete and its tombstone share a position.
type version struct {
	position  change.Position
	tombstone bool
	snapshot  bool
	digest    uint64
	offset    int64 // of its first appearance
}

func (v version) compare(w version) int {
	if c := v.position.Compare(w.position); c != 0 || v.tombstone == w.tombstone {
		return c
	}
	if v.tombstone {
		return 1
	}
	return -1
}

// cut is an announcement: what was committed before lsn lies before end.
type cut struct {
	end int64
	lsn change.LSN
}

// partition is the history of one partition.
type partition struct {
	place
	next int64
	// versions are those seen, in order of position, which is the order of their first appearance.
	versions []version
	// at is where the next repeated record must stand: behind the last one read.
	at int

	cuts  []cut      // ahead of what was read
	floor change.LSN // nothing new may be committed below it
	// unproven counts the newest versions that no cut has covered yet.
	unproven  int
	announced int64 // the end that progress named last, -1 before the first
	sum       Checksum
}

// take adds a record to the history and says whether it is new.
func (p *partition) take(v version, failed *failures) (isNew bool) {
	for len(p.cuts) > 0 && p.cuts[0].end <= v.offset {
		p.floor = max(p.floor, p.cuts[0].lsn)
		p.cuts = p.cuts[1:]
	}
	n := len(p.versions)
	i := sort.Search(n, func(i int) bool { return p.versions[i].compare(v) >= 0 })
	switch {
	case i < n && p.versions[i].compare(v) == 0:
		p.repeat(i, v, failed)
		return false
	case i < n:
		failed.add("%s/%d@%d: %s is new and stands before %s, which was seen", p.topic, p.id, v.offset, v.position, p.versions[n-1].position)
		return true
	}
	if p.leaves(n) {
		failed.add("%s/%d@%d: %s is new though the repetition before it ended at %s and never reached %s",
			p.topic, p.id, v.offset, v.position, p.versions[p.at-1].position, p.versions[n-1].position)
	}
	// A snapshot that was cut off reads its rows again elsewhere; what its last request leaves behind no cut speaks of.
	if v.position.Commit < p.floor && !v.snapshot {
		failed.add("%s/%d@%d: %s is new below the announced cut %s", p.topic, p.id, v.offset, v.position, p.floor)
	}
	p.versions = append(p.versions, v)
	p.at = n + 1
	p.unproven++
	return true
}

// repeat checks a record that was seen before: the same, and next in a run. A run may begin anew further back, as it does
// when the process that repeats is killed in its turn; it may not leap ahead.
func (p *partition) repeat(i int, v version, failed *failures) {
	if p.versions[i].digest != v.digest {
		failed.add("%s/%d@%d: %s came again and differs from offset %d", p.topic, p.id, v.offset, v.position, p.versions[i].offset)
	}
	if p.leaves(i) {
		failed.add("%s/%d@%d: the repetition leaps from %s to %s", p.topic, p.id, v.offset, p.versions[p.at-1].position, v.position)
	}
	p.at = i + 1
}

// leaves says whether going on at version i leaves streamed changes out.
func (p *partition) leaves(i int) bool {
	for at := p.at; at < i; at++ {
		if !p.versions[at].snapshot {
			return true
		}
	}
	return false
}

// announce takes a cut. Records that were read before the cut was must not contradict it either.
func (p *partition) announce(c cut, failed *failures) {
	if c.end > p.next {
		if n := len(p.cuts); n > 0 && p.cuts[n-1].end == c.end {
			p.cuts[n-1].lsn = c.lsn
			return
		}
		p.cuts = append(p.cuts, c)
		return
	}
	p.floor = max(p.floor, c.lsn)
	open := p.versions[len(p.versions)-p.unproven:]
	proven := sort.Search(len(open), func(i int) bool { return open[i].offset >= c.end })
	for _, v := range open[proven:] {
		if v.position.Commit < c.lsn && !v.snapshot {
			failed.add("%s/%d@%d: %s first appears behind offset %d, where %s was announced as complete", p.topic, p.id, v.offset, v.position, c.end, c.lsn)
		}
	}
	p.unproven = len(open) - proven
}

func (p *partition) finish(failed *failures) {
	if p.leaves(len(p.versions)) {
		failed.add("%s/%d: went back to %s and never came to %s again", p.topic, p.id, p.versions[p.at-1].position, p.versions[len(p.versions)-1].position)
	}
}

// Checksum is a rolling CRC over the positions of a partition's rows, each once, and their number. Snapshots and
// tombstones are left out.
type Checksum struct {
	Rows int
	CRC  uint32
}

func (c *Checksum) add(p change.Position) {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(p.Commit))
	binary.BigEndian.PutUint64(b[8:], p.Index)
	c.CRC = crc32.Update(c.CRC, crc32.IEEETable, b[:])
	c.Rows++
}
