package ingest_test

import (
	"fmt"
	"testing"

	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/stacktest"
)

// TestProtocolVersions runs what differs between versions of the server, or could, on each of them. Two-phase commit is on,
// which the shared server does not allow.
func TestProtocolVersions(t *testing.T) {
	core := []struct {
		name string
		test func(*testing.T)
	}{
		{"Savepoint", TestSavepointRolledBackInAStream},
		{"Shapes", TestShapesInStreams},
		{"MessageInSavepoint", TestMessageInARolledBackSavepoint},
		{"Messages", TestMessages},
		{"Transactions", TestTransactionTopic},
		{"Origin", TestOrigin},
		{"ShapesDetected", TestShapesAreDetected},
		{"DDL", TestDDLInOrder},
		{"RowFilter", TestRowFilter},
		{"ColumnList", TestColumnList},
		{"PartitionRoot", TestPartitionRoot},
		{"PartitionLeaves", TestPartitionLeaves},
		{"GeneratedColumns", TestGeneratedColumns},
		{"TruncateSeveral", TestTruncateSeveral},
		{"Prepared", TestPreparedTransaction},
	}
	for _, major := range artifact.PostgresMajors() {
		t.Run(fmt.Sprint("Postgres ", major), func(t *testing.T) {
			useServer(t, stacktest.PostgresServer(t, major, "max_prepared_transactions=5"))
			for _, c := range core {
				t.Run(c.name, c.test)
			}
		})
	}
}
