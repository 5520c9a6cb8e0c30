//go:build !failpoint

package failpoint

// Hit kills the process when the named point is armed and its count is reached.
func Hit(string) {}

// Enabled says whether a seeded bug is on.
func Enabled(string) bool { return false }

// OneIn says true once in every N calls for a seeded bug "name=N".
func OneIn(string) bool { return false }
