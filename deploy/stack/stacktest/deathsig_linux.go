package stacktest

import "syscall"

// endWithParent ends the server at once when the test process dies without having
// run its cleanups, as it does when it is killed or panics.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
