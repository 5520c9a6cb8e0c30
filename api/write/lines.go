package write

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lines reads a body line by line. One that is too long is passed over and told as nil: the next begins after it.
type lines struct {
	in     *bufio.Reader
	number int // of the line that next returned
}

// next returns the next line that isn't blank; it is good until the call after.
func (l *lines) next() ([]byte, error) {
	for {
		line, tooLong, err := l.take()
		if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0 && !tooLong) {
			return nil, err
		}
		l.number++
		if tooLong {
			return nil, nil
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

// take reads up to the end of a line, of which it keeps no more than a row may have.
func (l *lines) take() (line []byte, tooLong bool, err error) {
	for {
		part, err := l.in.ReadSlice('\n')
		if len(line)+len(part) > bulkRow {
			line, tooLong = nil, true
		}
		if !tooLong {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}
