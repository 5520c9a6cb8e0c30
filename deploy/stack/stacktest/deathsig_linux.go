package stacktest

import "syscall"

// endWithParent ends the server by a signal when the test process dies without having
// run its cleanups, as it does when it is killed or panics.
func endWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }
