package stack

// The servers' priorities beside each other, as of nice(1), where freshet up may give some. They count on a machine whose cores are all
// busy. Then each program has an equal share, and one that wants more than that waits for all others every time it is woken
// (docs/adr/0046). Postgres has none, and so it comes before most: each of its connections is a session and has a share of its own.
const (
	// Each refresh is one thread's work, which waits behind the many of all others.
	elasticNice = -3
	mongoNice   = 5
	kafkaNice   = 2
)
