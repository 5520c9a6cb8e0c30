package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/segmentio/kafka-go/compress"
)

// batch is a Kafka record batch (format 2) built in wire form while events arrive, so that sending it is a copy to the
// socket. kafka-go's own encoder walks a reader per record and was the most expensive part of the path.
type batch struct {
	buf     []byte // the header's place, then the records
	count   int
	base    int64 // timestamp in ms of the first record
	last    int64 // of the newest
	txs     []*transaction
	scratch []byte
}

// A batch's header is 61 bytes; before it the request wants the length of the whole, which kafka-go leaves to us.
const (
	framePrefix     = 4
	batchHeaderSize = framePrefix + 61
)

// record is one record to append. A nil key or value is Kafka's null.
type record struct {
	key     []byte
	value   []byte
	headers []recordHeader
}

type recordHeader struct {
	key   string
	value []byte
}

func (b *batch) reset() {
	if cap(b.buf) < batchHeaderSize {
		b.buf = make([]byte, 0, 16<<10)
	}
	clear(b.txs)
	b.buf, b.count, b.txs = b.buf[:batchHeaderSize], 0, b.txs[:0]
}

// size is the batch's size on the wire, uncompressed.
func (b *batch) size() int { return len(b.buf) }

func (b *batch) add(r *record, now time.Time) {
	ms := now.UnixMilli()
	if b.count == 0 {
		b.base = ms
	}
	b.last = max(ms, b.base)
	body := b.scratch[:0]
	body = append(body, 0) // attributes
	body = binary.AppendVarint(body, b.last-b.base)
	body = binary.AppendVarint(body, int64(b.count))
	body = appendNullable(body, r.key)
	prefix := len(body)
	body = binary.AppendVarint(body, int64(len(r.headers)))
	for _, h := range r.headers {
		body = append(binary.AppendVarint(body, int64(len(h.key))), h.key...)
		body = append(binary.AppendVarint(body, int64(len(h.value))), h.value...)
	}
	b.scratch = body
	// The value stands between the two halves of the scratch and is copied once.
	valueSize := varintSize(-1)
	if r.value != nil {
		valueSize = varintSize(int64(len(r.value))) + len(r.value)
	}
	b.buf = binary.AppendVarint(b.buf, int64(len(body)+valueSize))
	b.buf = append(b.buf, body[:prefix]...)
	b.buf = appendNullable(b.buf, r.value)
	b.buf = append(b.buf, body[prefix:]...)
	b.count++
}

func appendNullable(dst, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(v))), v...)
}

func varintSize(v int64) int {
	n := 1
	for u := uint64(v<<1) ^ uint64(v>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal returns the batch as it goes on the wire. The uncompressed form aliases the batch.
func (b *batch) seal(codec compress.Compression) ([]byte, error) {
	out := b.buf
	if codec != compress.None {
		compressed := &sliceWriter{b: make([]byte, batchHeaderSize, len(b.buf)/2+batchHeaderSize)}
		w := codec.Codec().NewWriter(compressed)
		_, err := w.Write(b.buf[batchHeaderSize:])
		if err = errors.Join(err, w.Close()); err != nil {
			return nil, fmt.Errorf("compress a batch of %d bytes: %w", len(b.buf), err)
		}
		out = compressed.b
	}
	be := binary.BigEndian
	be.PutUint32(out, uint32(len(out)-framePrefix))
	h := out[framePrefix:]
	be.PutUint64(h[0:], 0) // base offset, the broker's to set
	be.PutUint32(h[8:], uint32(len(h)-12))
	be.PutUint32(h[12:], 0xffffffff) // leader epoch
	h[16] = 2                        // magic
	be.PutUint16(h[21:], uint16(codec))
	be.PutUint32(h[23:], uint32(b.count-1))
	be.PutUint64(h[27:], uint64(b.base))
	be.PutUint64(h[35:], uint64(b.last))
	be.PutUint64(h[43:], 0xffffffffffffffff) // no producer id
	be.PutUint16(h[51:], 0xffff)
	be.PutUint32(h[53:], 0xffffffff)
	be.PutUint32(h[57:], uint32(b.count))
	be.PutUint32(h[17:], crc32.Checksum(h[21:], castagnoli))
	return out, nil
}

type sliceWriter struct{ b []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// records takes the batch apart again, for the rare case that one of its records is refused.
func (b *batch) records() ([]record, error) {
	var out []record
	for rest := b.buf[batchHeaderSize:]; len(rest) > 0; {
		n, w := binary.Varint(rest)
		if w <= 0 || n < 1 || int64(len(rest)-w) < n {
			return nil, errors.New("a batch of ours does not parse")
		}
		body := fields{rest: rest[w+1 : int64(w)+n]}
		rest = rest[int64(w)+n:]
		body.varint() // timestamp
		body.varint() // offset
		r := record{key: body.nullable(), value: body.nullable()}
		for range body.varint() {
			r.headers = append(r.headers, recordHeader{string(body.nullable()), body.nullable()})
		}
		out = append(out, r)
	}
	return out, nil
}

// fields reads a record that this package wrote.
type fields struct{ rest []byte }

func (f *fields) varint() int64 {
	v, n := binary.Varint(f.rest)
	f.rest = f.rest[n:]
	return v
}

func (f *fields) nullable() []byte {
	n := f.varint()
	if n < 0 {
		return nil
	}
	v := f.rest[:n:n]
	f.rest = f.rest[n:]
	return v
}
