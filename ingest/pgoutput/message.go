package pgoutput

// Kind is the first byte of a message.
type Kind byte

// The messages of protocol versions 1 to 4: those of transactions that are sent when they commit, of transactions that are
// streamed while they run (version 2), and of two-phase commit (version 3).
const (
	KindBegin    Kind = 'B'
	KindCommit   Kind = 'C'
	KindOrigin   Kind = 'O'
	KindRelation Kind = 'R'
	KindType     Kind = 'Y'
	KindInsert   Kind = 'I'
	KindUpdate   Kind = 'U'
	KindDelete   Kind = 'D'
	KindTruncate Kind = 'T'
	KindMessage  Kind = 'M'

	KindStreamStart  Kind = 'S'
	KindStreamStop   Kind = 'E'
	KindStreamCommit Kind = 'c'
	KindStreamAbort  Kind = 'A'

	KindBeginPrepare     Kind = 'b'
	KindPrepare          Kind = 'P'
	KindCommitPrepared   Kind = 'K'
	KindRollbackPrepared Kind = 'r'
	KindStreamPrepare    Kind = 'p'
)

// Begin opens a transaction; its changes follow, then its Commit.
type Begin struct {
	CommitLSN  uint64 // LSN of the commit record, known before the first change
	CommitTime int64  // microseconds since the Unix epoch
	XID        uint32
}

// Commit closes a transaction.
type Commit struct {
	CommitLSN  uint64
	EndLSN     uint64 // first byte after the commit record: what to acknowledge
	CommitTime int64  // microseconds since the Unix epoch
}

// Column describes a column of a Relation.
type Column struct {
	Name     string
	Identity bool // part of the replica identity
	Type     uint32
	Modifier int32 // type modifier, -1 when there is none
}

// Relation describes a table; it precedes the first change of the table in a session, and the first after an ALTER.
type Relation struct {
	ID       uint32
	Schema   string // "pg_catalog" where the protocol sends the empty string
	Name     string
	Identity byte // 'd' default, 'n' nothing, 'f' full, 'i' index
	Columns  []Column
}

// Value kinds of a tuple.
const (
	Null      = 'n'
	Unchanged = 'u' // an unchanged TOAST value, which the log does not carry
	Text      = 't'
	Binary    = 'b'
)

// Value is one column's value in a tuple. Data is a part of the decoded message.
type Value struct {
	Kind byte
	Data []byte
}

// What the old tuple of an update or delete holds.
const (
	OldNone = 0
	OldKey  = 'K' // the replica identity's columns; the others are sent as null and are not null
	OldFull = 'O' // the whole row
)

// Change is an insert, update or delete.
type Change struct {
	Relation uint32
	OldKind  byte
	Old      []Value
	New      []Value // empty for deletes
}

// Truncate empties tables.
type Truncate struct {
	Cascade         bool
	RestartIdentity bool
	Relations       []uint32
}

// LogicalMessage is what pg_logical_emit_message wrote.
type LogicalMessage struct {
	Transactional bool
	LSN           uint64
	Prefix        []byte
	Content       []byte
}

// Type names a type that is not built in.
type Type struct {
	ID     uint32
	Schema string
	Name   string
}

// Origin names the replication origin of a transaction.
type Origin struct {
	CommitLSN uint64 // on the origin's server; 0 in a streamed block, where it is not known yet
	Name      string
}

// Stream is the head of a streamed block (First), the abort of a streamed transaction or of one of its
// subtransactions (SubXID), or its commit.
type Stream struct {
	XID    uint32
	SubXID uint32
	First  bool
	Commit Commit
	// AbortLSN and AbortTime (microseconds since the Unix epoch) are sent by protocol 4 with streaming parallel; else 0.
	AbortLSN  uint64
	AbortTime int64
}

// Prepared is a step of a two-phase commit: its opening, PREPARE TRANSACTION, COMMIT PREPARED or ROLLBACK PREPARED.
type Prepared struct {
	LSN    uint64 // of the step's record: PREPARE's, COMMIT PREPARED's; for ROLLBACK PREPARED the end of PREPARE's
	EndLSN uint64 // first byte after the step's record
	Time   int64  // of the step, microseconds since the Unix epoch
	XID    uint32
	GID    string // the name that the client gave the transaction
}
