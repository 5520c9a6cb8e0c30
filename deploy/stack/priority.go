package stack

// The servers' priorities beside each other, as of nice(1), where freshet up may give some. They count on a machine whose cores are all
// busy. Then each program has an equal share, and one that wants more than that waits for all others every time it is woken;
// so those that want most have the larger shares (docs/adr/0045). Postgres has none: each of its connections
// is a session and has a share of its own.
const (
	// Each refresh is one thread's work, which waits behind the many of all others.
	elasticNice = -5
	mongoNice   = -3
	kafkaNice   = -2
)
