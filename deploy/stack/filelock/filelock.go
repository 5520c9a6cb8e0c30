// Package filelock takes an exclusive lock that other processes respect and that
// ends with the process that holds it, however that ends. The launcher keeps two
// installations off one cache with it, and two launchers off one data directory.
package filelock

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// Take waits for the lock at path until ctx ends; onWait is called once if it has to
// wait. The file stays when the lock is released: removing it would let two hold it.
func Take(ctx context.Context, path string, onWait func()) (release func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for waited := false; ; waited = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f.Close, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		if !waited {
			onWait()
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-ticker.C:
		}
	}
}
