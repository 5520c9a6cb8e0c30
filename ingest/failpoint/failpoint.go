// Package failpoint lets tests kill the process at a named point, or switch on a known bug, to show that the checks would
// see the damage.
//
// The stages call Hit and Enabled; crash tests build the binary with the tag "failpoint" and arm points by environment:
//
//	FRESHET_TEST_FAILPOINT=ingest-mid-tx:3              SIGKILL to itself at the third pass of that point
//	FRESHET_TEST_BUG=ack-early,drop-one-in-N=10000      seeded bugs, with a number where one is needed
//
// Without the tag both are empty functions that the compiler removes: a production binary has no such points.
package failpoint
