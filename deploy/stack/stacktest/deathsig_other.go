//go:build !linux

package stacktest

import "syscall"

// endWithParent does nothing where the system has no such signal: a test process
// that is killed leaves its server behind.
func endWithParent(*syscall.SysProcAttr, syscall.Signal) {}
