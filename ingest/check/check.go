// Package check looks at a Postgres and a Kafka and says what would stop ingest, cost it changes, or cost the server its
// disk: each finding with its reason and the command that mends it.
//
// `freshet check` prints all findings. ingest calls Postgres at every start and refuses on fatal ones. Nothing is changed by a
// check: it reads catalogs and settings, and what the role may not read becomes a finding.
package check

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Severity says what a finding means for the one who runs ingest.
type Severity string

// The severities.
const (
	// Error: ingest does not work, or loses changes.
	Error Severity = "error"
	// Warning: it works, and something will hurt later.
	Warning Severity = "warning"
	// Info is worth knowing.
	Info Severity = "info"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Severity Severity `json:"severity"`
	// Subject is what it is about: a setting, a table, a slot, a topic.
	Subject string `json:"subject"`
	// What is the case, Why it matters, and Fix the exact command against it.
	What string `json:"what"`
	Why  string `json:"why"`
	Fix  string `json:"fix,omitempty"`
	// Fatal findings stop ingest at its start: going on would lose changes in silence.
	Fatal bool `json:"fatal,omitempty"`
}

// Target is what is looked at in Postgres.
type Target struct {
	Slot        string
	Publication string
	// Routing names the routing column of a table; "" for a table that needs none.
	Routing func(table string, columns, key []string) string
}

// inspection gathers the findings of one run.
type inspection struct {
	conn     *pgx.Conn
	target   Target
	version  int // server_version_num
	findings []Finding
}

func (i *inspection) add(f Finding) { i.findings = append(i.findings, f) }

// Postgres looks at the server and the database that the connection is to. The error is of the looking itself.
func Postgres(ctx context.Context, conn *pgx.Conn, target Target) ([]Finding, error) {
	i := &inspection{conn: conn, target: target}
	if err := conn.QueryRow(ctx, `select current_setting('server_version_num')::int`).Scan(&i.version); err != nil {
		return nil, fmt.Errorf("check: ask for the version: %w", err)
	}
	for _, part := range []struct {
		name string
		look func(context.Context) error
	}{
		{"settings", i.settings},
		{"role", i.role},
		{"publication", i.publication},
		{"tables", i.tables},
		{"slot", i.slot},
		{"failover", i.failover},
		{"transactions", i.transactions},
	} {
		if err := part.look(ctx); err != nil {
			return nil, fmt.Errorf("check %s: %w", part.name, err)
		}
	}
	return i.findings, nil
}

// Fatal returns the first finding that must stop ingest, nil when there is none.
func Fatal(findings []Finding) *Finding {
	for n := range findings {
		if findings[n].Fatal {
			return &findings[n]
		}
	}
	return nil
}

// Failed says whether any finding is an error.
func Failed(findings []Finding) bool {
	for _, f := range findings {
		if f.Severity == Error {
			return true
		}
	}
	return false
}
