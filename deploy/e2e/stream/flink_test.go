package stream

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack"
	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/filelock"
	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
)

// TestFlinkReadsTheTopics hands the topics to Flink's own reader of Debezium's JSON, as it comes from Maven, and folds the
// changelog that it makes of them: the rows must be those of the tables.
func TestFlinkReadsTheTopics(t *testing.T) {
	w := sharedWorld(t, `create table full_rows (id bigint primary key, name text, price double precision, active boolean, changed timestamptz);
		create table short_rows (like full_rows including all);
		alter table full_rows replica identity full;
		create publication freshet for table full_rows, short_rows;
		insert into full_rows select i, 'row ' || i, i / 4.0, i % 2 = 0, '2026-03-29 01:59:59.123456+01' from generate_series(1, 20) i`)
	w.start()
	w.caughtUp() // the snapshot is there: what follows is streamed
	w.sql(`update full_rows set name = 'größer ' || chr(128512), changed = null where id % 3 = 0`, `delete from full_rows where id % 5 = 0`,
		`update full_rows set id = id + 100 where id = 7`, `begin; insert into full_rows values (50, 'gone', null, null, null); delete from full_rows where id = 50; commit`,
		`insert into short_rows select * from full_rows`, `update short_rows set name = 'other' where id = 1`, `delete from short_rows where id = 2`)
	w.caughtUp()
	w.ingest.end(syscall.SIGTERM)
	program := flinkReader(t)

	rows := foldChangelog(t, w.flink(program, "full_rows"))
	want := w.flinkRows("full_rows")
	if len(rows) != len(want) || len(want) == 0 {
		t.Errorf("%d rows by Flink, %d in the table", len(rows), len(want))
	}
	for _, row := range want {
		id, _, _ := strings.Cut(row, "|")
		if rows[id] != row {
			t.Errorf("row %s by Flink, %s in the table", rows[id], row)
		}
	}

	// Without the whole old row Flink takes inserts and nothing else, from Debezium as from us, and says so.
	refused := slices.DeleteFunc(w.flink(program, "short_rows"), func(line string) bool { return strings.HasPrefix(line, "+I|") })
	if !slices.ContainsFunc(refused, func(line string) bool { return strings.Contains(line, "REPLICA IDENTITY") }) {
		t.Errorf("of an update without its old row Flink says %q", refused)
	}
}

// foldChangelog applies a changelog as Flink's operators do: a row is taken back as it was said.
func foldChangelog(t *testing.T, changelog []string) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for _, line := range changelog {
		kind, row, _ := strings.Cut(line, "|")
		id, _, _ := strings.Cut(row, "|")
		switch kind {
		case "+I", "+U":
			rows[id] = row
		case "-U", "-D":
			if rows[id] != row {
				t.Errorf("%s of %s, which is %s by then", kind, row, rows[id])
			}
			delete(rows, id)
		default:
			t.Errorf("Flink says %s", line)
		}
	}
	return rows
}

// flinkRows returns a table's rows as the reader prints them.
func (w *world) flinkRows(table string) (rows []string) {
	w.t.Helper()
	w.connected(func(ctx context.Context, conn *pgx.Conn) error {
		found, err := conn.Query(ctx, `select concat_ws('|', id, name, coalesce(case when price = floor(price) then price || '.0' else price::text end, 'null'),
			coalesce(active::text, 'null'), coalesce(to_char(changed at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'null')) from `+table)
		if err != nil {
			return err
		}
		rows, err = pgx.CollectRows(found, pgx.RowTo[string])
		return err
	})
	return rows
}

// sharedWorld is ingest on the shared servers: nothing is killed here.
func sharedWorld(t *testing.T, schema string) *world {
	t.Helper()
	url := stacktest.Postgres(t)
	brokers, prefix := stacktest.Kafka(t)
	w := &world{t: t, url: url, settings: settings{
		PostgresURL: url, Brokers: brokers, Prefix: prefix, Slot: prefix, Partitions: partitions, Dimensions: []string{},
	}}
	w.sql(schema)
	w.watch(brokers[0])
	w.topics.tables = nil // others read them
	return w
}

// flink runs Flink's reader over a table's topic, one partition after the other.
func (w *world) flink(program []string, table string) []string {
	w.t.Helper()
	var in bytes.Buffer
	for id := range partitions {
		err := w.topics.read(w.t.Context(), change.Topic(w.settings.Prefix, "public", table), id, func(_ *kafka.Record, _, value []byte) error {
			in.Write(append(value, '\n'))
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(w.t.Context(), program[0], program[1:]...)
	cmd.Stdin = &in
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("run Flink's reader: %v\n%s", err, errors.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// flinkReader fetches Flink's format once for all runs, compiles the program around it and returns its command line.
func flinkReader(t *testing.T) []string {
	t.Helper()
	ctx := t.Context()
	cache := os.Getenv("FRESHET_CACHE")
	var err error
	if cache == "" {
		if cache, err = stack.DefaultCache(); err != nil {
			t.Fatal(err)
		}
	}
	if err := artifact.Provide(ctx, artifact.Missing(ctx, artifact.Kafka().Tools), t.Output()); err != nil {
		t.Fatal(err)
	}
	lib, err := flinkJars(ctx, filepath.Join(cache, "flink-json-2.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	home, err := artifact.JavaHome(ctx)
	if err != nil {
		t.Fatal(err)
	}
	java, classes := filepath.Join(home, "bin", "java"), t.TempDir()
	jars, err := filepath.Glob(filepath.Join(lib, "*.jar"))
	if err != nil {
		t.Fatal(err)
	}
	compile := exec.CommandContext(ctx, java, "-jar", filepath.Join(lib, "ecj-3.33.0.jar"), "-17", "-nowarn",
		"-cp", strings.Join(jars, string(os.PathListSeparator)), "-d", classes, filepath.Join("testdata", "flink", "FlinkReader.java"))
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("compile the reader: %v\n%s", err, out)
	}
	return []string{java, "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", classes + string(os.PathListSeparator) + filepath.Join(lib, "*"), "FlinkReader"}
}

// flinkJars resolves the jars into dir unless they are there already.
func flinkJars(ctx context.Context, dir string) (lib string, err error) {
	unlock, err := filelock.Take(ctx, dir+".lock", func() {})
	if err != nil {
		return "", err
	}
	defer func() {
		if e := unlock(); err == nil {
			err = e
		}
	}()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "mvn", "-B", "-ntp", "-q", "-Dmaven.repo.local="+filepath.Join(part, "repository"), "-f", filepath.Join("testdata", "flink", "pom.xml"),
		"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(part, "lib"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch Flink's format: %w\n%s", err, out)
	}
	if err := os.Rename(filepath.Join(part, "lib"), dir); err != nil {
		return "", err
	}
	return dir, os.RemoveAll(part)
}
