package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxLog is the size at which a log is put aside at the next start; one old log is kept.
const maxLog = 64 << 20

func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, fmt.Errorf("put the old log aside: %w", err)
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// lastLines returns the end of the log for an error message.
func (s *Supervisor) lastLines(name string) string {
	lines, err := Tail(s.LogPath(name), 15)
	if err != nil || len(lines) == 0 {
		return "; its log is " + s.LogPath(name)
	}
	return fmt.Sprintf("; the end of %s:\n  %s", s.LogPath(name), strings.Join(lines, "\n  "))
}

// Tail returns the last n lines of a file, reading no more than its last 64 KiB.
func Tail(path string, n int) (lines []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-64<<10)
	data, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return nil, err
	}
	data = bytes.TrimRight(data, "\n")
	if len(data) == 0 {
		return nil, nil
	}
	lines = strings.Split(string(data), "\n")
	return lines[max(0, len(lines)-n):], nil
}
