package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// runWith runs the command line and returns its output and error.
func runWith(t *testing.T, env []string, args ...string) (stdout string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = run(t.Context(), args, env, &out, &errs)
	return out.String(), err
}

func TestSettingsProblems(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		args []string
		want []string // parts of the error; none: no error
	}{
		"defaults":            {},
		"test variables":      {env: []string{"FRESHET_TEST_ANYTHING=1"}},
		"typo":                {env: []string{"FRESHET_POSTGRE_URL=x"}, want: []string{"FRESHET_POSTGRE_URL is not a setting; did you mean FRESHET_POSTGRES_URL?"}},
		"not a number":        {env: []string{"FRESHET_PARTITIONS=many"}, want: []string{"FRESHET_PARTITIONS: "}},
		"out of range":        {args: []string{"--partitions", "0"}, want: []string{"--partitions (FRESHET_PARTITIONS): 0: want 1 to 1024"}},
		"flag wins":           {env: []string{"FRESHET_PARTITIONS=0"}, args: []string{"--partitions", "4"}},
		"empty is unset":      {env: []string{"FRESHET_PREFIX=", "FRESHET_KAFKA="}},
		"broker without port": {env: []string{"FRESHET_KAFKA=a:1,b"}, want: []string{`"b": want host:port`}},
		"all together": {
			env:  []string{"FRESHET_PREFIX=Not-Valid", "FRESHET_LOG_LEVEL=loud", "FRESHET_LOG_FORMAT=xml", "FRESHET_NONSENSE=1"},
			want: []string{"--prefix", "--log-level", "--log-format", "FRESHET_NONSENSE"},
		},
		"unknown flag": {args: []string{"--nonsense"}, want: []string{"unknown flag: --nonsense"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runWith(t, c.env, append([]string{"version"}, c.args...)...)
			if len(c.want) == 0 && err != nil {
				t.Fatalf("unexpected: %v", err)
			}
			for _, part := range c.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want %q in it", err, part)
				}
			}
		})
	}
}

func TestAProblemIsReportedOnce(t *testing.T) {
	_, err := runWith(t, []string{"FRESHET_PARTITIONS=many"}, "version")
	if err == nil || strings.Count(err.Error(), "FRESHET_PARTITIONS") != 1 {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	const secret = "hunter2"
	for _, env := range []string{
		"FRESHET_POSTGRES_URL=mysql://u:" + secret + "@h/d",
		"FRESHET_MONGO_URL=mongo://u:" + secret + "@h/d",
		"FRESHET_ELASTIC_URL=u:" + secret + "@h",
	} {
		_, err := runWith(t, []string{env}, "version")
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v", strings.SplitN(env, "=", 2)[0], err)
		}
	}
	if got := redactURL("postgres://u:" + secret + "@h/d"); strings.Contains(got, secret) {
		t.Errorf("printed as %s", got)
	}
}

// loaded returns the settings as a command would see them.
func loaded(t *testing.T, env ...string) *settings {
	t.Helper()
	s := newSettings(env, &bytes.Buffer{}, &bytes.Buffer{})
	root := newRoot(s)
	root.AddCommand(&cobra.Command{Use: "probe", RunE: func(*cobra.Command, []string) error { return nil }})
	root.SetArgs([]string{"probe"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAddressesFollowPorts(t *testing.T) {
	s := loaded(t, "FRESHET_POSTGRES_PORT=6000", "FRESHET_KAFKA=broker:9092", "FRESHET_MONGO_URL=mongodb://a:1,b:2/shop?replicaSet=x")
	if s.postgresURL != "postgres://postgres@127.0.0.1:6000/shop" || s.kafka[0] != "broker:9092" || s.mongoDatabase != "shop" {
		t.Errorf("got %s, %v, %s", s.postgresURL, s.kafka, s.mongoDatabase)
	}
	if s.stack.Postgres != "" || len(s.stack.Kafka) != 1 {
		t.Errorf("given: Postgres %q, Kafka %v; only Kafka was", s.stack.Postgres, s.stack.Kafka)
	}
}

func TestEveryFlagSaysItsVariable(t *testing.T) {
	root := newRoot(newSettings(nil, &bytes.Buffer{}, &bytes.Buffer{}))
	visitFlags(root, func(flag *pflag.Flag) {
		if flag.Name != "help" && !strings.Contains(flag.Usage, "["+variable(flag.Name)+"]") {
			t.Errorf("--%s: %q", flag.Name, flag.Usage)
		}
	})
}

func TestHelpExplainsItself(t *testing.T) {
	out, err := runWith(t, nil, "--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"up ", "down ", "--postgres-url", "FRESHET_POSTGRES_URL", "default 127.0.0.1:9094"} {
		if !strings.Contains(out, want) {
			t.Errorf("the help does not hold %q", want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := map[string]bool{"FRESHET_KAFKA": true, "FRESHET_KAFKA_PORT": true, "FRESHET_DATA": true}
	for name, want := range map[string]string{
		"FRESHET_KAFAK": "FRESHET_KAFKA", "FRESHET_KAFKAPORT": "FRESHET_KAFKA_PORT", "FRESHET_DATE": "FRESHET_DATA",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
