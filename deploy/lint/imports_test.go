package lint_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The client libraries, by the server they speak to.
var (
	postgresClients = []string{"github.com/jackc/", "github.com/lib/pq", "github.com/pressly/goose"}
	mongoClients    = []string{"go.mongodb.org/"}
	elasticClients  = []string{"github.com/elastic/"}
	kafkaClients    = []string{"github.com/segmentio/kafka-go", "github.com/twmb/"}
)

// rule says what a part of the tree may not depend on, however indirectly.
type rule struct {
	// of is a package, or a folder and all below it when it ends in /...
	of string
	// except are packages in that folder that the rule is not for.
	except []string
	// never are import paths, or folders when they end in /, that must not be reached
	// by any way; notDirectly those that the package must not import itself.
	never, notDirectly []string
	reason             string
}

func (r rule) covers(path string) bool {
	if slices.Contains(r.except, path) {
		return false
	}
	folder, below := strings.CutSuffix(r.of, "/...")
	return path == folder || below && strings.HasPrefix(path, folder+"/")
}

// firstIn returns the first dependency that is in one of the forbidden folders: a
// client library is fifty packages, and one line about it is enough.
func firstIn(dependencies, forbidden []string) (dependency string, found bool) {
	for _, dependency := range dependencies {
		for _, prefix := range forbidden {
			if dependency == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(dependency, prefix) {
				return dependency, true
			}
		}
	}
	return "", false
}

func join(lists ...[]string) []string { return slices.Concat(lists...) }

var rules = []rule{
	{
		of:     "freshet/ingest/...",
		never:  join(mongoClients, elasticClients, []string{"freshet/projectors/", "freshet/search/", "freshet/api/", "freshet/deploy/", "freshet/cmd/"}),
		reason: "ingest is the first stage and knows none of the later ones",
	},
	{
		of: "freshet/projectors/...", except: []string{"freshet/projectors/audit", "freshet/projectors/explain", "freshet/projectors/rebuild"},
		never:  join(postgresClients, []string{"freshet/api/", "freshet/deploy/", "freshet/cmd/"}),
		reason: "a projector sees what is on the topics, never the database behind them",
	},
	{
		of:     "freshet/projectors/audit",
		never:  []string{"freshet/api/", "freshet/cmd/"},
		reason: "the oracle compares stores, not answers",
	},
	{
		of:     "freshet/projectors/rebuild",
		never:  []string{"freshet/api/", "freshet/deploy/", "freshet/cmd/"},
		reason: "a rebuild counts when the oracle says so, and is ordered by others",
	},
	{
		of:     "freshet/projectors/explain",
		never:  []string{"freshet/api/", "freshet/deploy/", "freshet/cmd/"},
		reason: "an explanation is of what the stages hold, from the rows on",
	},
	{
		// It reads the view, a document of projectors, and so reaches their clients.
		of:          "freshet/search/...",
		never:       join(postgresClients, []string{"freshet/projectors/index", "freshet/projectors/tree", "freshet/api/", "freshet/deploy/", "freshet/cmd/"}),
		notDirectly: join(mongoClients, kafkaClients),
		reason:      "search is the index and its queries; who fills it is not its affair",
	},
	{
		of:    "freshet/api/read/...",
		never: join(postgresClients, []string{"freshet/deploy/", "freshet/cmd/", "freshet/api/write/"}),
		// Others reach it without a driver, for its interfaces.
		notDirectly: []string{"database/sql"},
		reason:      "reads never touch Postgres",
	},
	{
		of:     "freshet/api/write/...",
		never:  join(mongoClients, elasticClients, kafkaClients, []string{"freshet/projectors/", "freshet/search/", "freshet/deploy/", "freshet/cmd/", "freshet/api/read/"}),
		reason: "writes touch Postgres alone",
	},
	{
		of:     "freshet/deploy/...",
		never:  []string{"freshet/cmd/"},
		reason: "commands are wiring: nothing is built on them",
	},
}

// leaves import nothing but the standard library.
var leaves = []string{"freshet/ingest/pgoutput", "freshet/ingest/change"}

// listed is what `go list` tells of a package; Deps are all it reaches.
type listed struct {
	ImportPath, Dir, Name string
	GoFiles               []string
	Imports, Deps         []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Name,GoFiles,Imports,Deps", "freshet/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	var all []listed
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		all = append(all, p)
	}
}

// violations returns what a package breaks by what it imports and reaches.
func violations(p listed) (broken []string) {
	for _, r := range rules {
		if !r.covers(p.ImportPath) {
			continue
		}
		if dependency, found := firstIn(p.Deps, r.never); found {
			broken = append(broken, fmt.Sprintf("%s depends on %s: %s", p.ImportPath, dependency, r.reason))
		}
		if dependency, found := firstIn(p.Imports, r.notDirectly); found {
			broken = append(broken, fmt.Sprintf("%s imports %s: %s", p.ImportPath, dependency, r.reason))
		}
	}
	if slices.Contains(leaves, p.ImportPath) {
		for _, dependency := range p.Deps {
			if !standard(dependency) {
				broken = append(broken, fmt.Sprintf("%s depends on %s: it is a leaf, standard library only", p.ImportPath, dependency))
			}
		}
	}
	return broken
}

// standard is true of the standard library, whose paths have no dot in their first
// part, vendored ones included.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") && first != "freshet"
}

func TestForbiddenImports(t *testing.T) {
	for _, p := range packages(t) {
		for _, broken := range violations(p) {
			t.Error(broken)
		}
	}
}

// TestFoldsArePure: a fold is a function of a document and an event.
func TestFoldsArePure(t *testing.T) {
	impure := join(postgresClients, mongoClients, elasticClients, kafkaClients, []string{"net/", "os/"})
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.ImportPath, "freshet/projectors/") {
			continue
		}
		for _, file := range p.GoFiles {
			if !strings.HasPrefix(file, "fold") {
				continue
			}
			if path, found := firstIn(importsOf(t, filepath.Join(p.Dir, file)), impure); found {
				t.Errorf("%s/%s imports %s: a fold is pure", p.ImportPath, file, path)
			}
		}
	}
}

func importsOf(t *testing.T, file string) (paths []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range parsed.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// TestPackageNames: folders are stages and nouns of the domain, and no name hides one
// of the standard library's that everybody uses.
func TestPackageNames(t *testing.T) {
	bad := []string{"util", "utils", "common", "model", "models", "types", "helper", "helpers", "misc", "base", "errors", "bytes", "slices", "pkg", "internal"}
	for _, p := range packages(t) {
		for part := range strings.SplitSeq(p.ImportPath, "/") {
			if slices.Contains(bad, part) {
				t.Errorf("%s: %q says nothing", p.ImportPath, part)
			}
		}
	}
}

// TestTheRulesBite feeds the rules what they must refuse.
func TestTheRulesBite(t *testing.T) {
	for _, c := range []struct {
		path, dependency string
		broken           bool
	}{
		{"freshet/api/read", "github.com/jackc/pgx/v5", true},
		{"freshet/api/read/page", "database/sql", true},
		{"freshet/api/read", "freshet/projectors/tree", false},
		{"freshet/api/write", "go.mongodb.org/mongo-driver/v2/mongo", true},
		{"freshet/api/write", "github.com/jackc/pgx/v5", false},
		{"freshet/ingest", "freshet/projectors", true},
		{"freshet/ingest/change", "github.com/google/uuid", true},
		{"freshet/ingest/change", "encoding/json", false},
		{"freshet/ingest/change", "freshet/ingest/pgoutput", true},
		{"freshet/projectors/offer", "github.com/jackc/pgx/v5", true},
		{"freshet/projectors/audit", "github.com/jackc/pgx/v5", false},
		{"freshet/search", "freshet/projectors/index", true},
		{"freshet/search", "freshet/projectors/view", false},
		{"freshet/search", "github.com/segmentio/kafka-go", true},
		{"freshet/deploy/stack", "freshet/cmd/freshet", true},
	} {
		p := listed{ImportPath: c.path, Imports: []string{c.dependency}, Deps: []string{c.dependency}}
		if got := len(violations(p)) > 0; got != c.broken {
			t.Errorf("%s on %s: broken %t, want %t", c.path, c.dependency, got, c.broken)
		}
	}
}
