package stack

// Priorities beside the other programs, as of nice(1), where freshet up may give them. They count on a machine whose cores are
// all busy (docs/adr/0050, 0052). Postgres has none and most of all the same: each of its connections is a session and has a share
// of its own, which nobody but itself could raise. So what shall come after it is lowered: the read side, by Config.Nice.
const (
	// WriteAPI is what a purchase waits for most beside Postgres.
	WriteAPI = -5
	// Sandbox stands for a payment provider, which runs elsewhere.
	Sandbox = -3
	// Audit is what nobody waits for.
	Audit = 19
	// elasticLead is how much Elasticsearch comes before the rest of the read side: each refresh is one thread's work that waits
	// behind the many short ones of all others.
	elasticLead = 8
)
