// Package e2e holds the tests of the whole flow on real servers: they build the binary, run its processes as an operator
// would, write to Postgres like nobody should, kill what can be killed, and compare every document with the oracle's.
// It has no code of its own; nothing imports it.
package e2e
