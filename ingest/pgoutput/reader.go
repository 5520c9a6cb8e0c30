package pgoutput

import (
	"bytes"
	"encoding/binary"
)

// reader takes values off the front of a message. Once failed it only yields zeros, so that callers check once, at the
// end; every loop that a message's count drives stops at the first failure.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) bytes(n int64) []byte {
	if r.failed || n < 0 || n > int64(len(r.rest)) {
		r.failed = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if r.failed || len(r.rest) == 0 {
		r.failed = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) expect(want byte) {
	if r.byte() != want {
		r.failed = true
	}
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) time() int64 { return int64(r.uint64()) + postgresEpoch }

func (r *reader) cstring() []byte {
	n := bytes.IndexByte(r.rest, 0)
	if n < 0 {
		r.failed = true
		return nil
	}
	s := r.bytes(int64(n))
	r.byte()
	return s
}

func (r *reader) string() string { return string(r.cstring()) }

// tuple appends the values of a tuple to dst. The count is not trusted: every value takes a byte at least, so that dst
// grows with the bytes there are.
func (r *reader) tuple(dst []Value) []Value {
	for n := r.uint16(); n > 0 && !r.failed; n-- {
		v := Value{Kind: r.byte()}
		switch v.Kind {
		case Null, Unchanged:
		case Text, Binary:
			v.Data = r.bytes(int64(r.uint32()))
		default:
			r.failed = true
		}
		dst = append(dst, v)
	}
	return dst
}
