package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"freshet/deploy/stack"
	"freshet/deploy/stack/artifact"
	"freshet/ingest/broker"
)

// settings are what every subcommand shares. They are complete once a command's RunE
// begins: flags, then the environment, then defaults, all validated.
type settings struct {
	env            map[string]string
	stdout, stderr io.Writer

	// The servers. Empty as given means the ones that `freshet up` starts; load
	// then fills in their addresses.
	postgresURL string
	// localPostgres is postgresURL by a shorter way, for the processes that up starts; empty when there is none.
	localPostgres string
	kafka         []string
	// kafkaSecurity is how Kafka is reached, as given; security is what load makes of it.
	kafkaSecurity broker.Settings
	security      broker.Security
	mongoURL      string
	elasticURL    string

	// prefix begins the names of topics, groups, the slot and the indices.
	prefix string
	// partitions is the number of partitions of each topic of products.
	partitions int

	logLevel, logFormat string
	// health is the address of /healthz and /metrics; empty is none.
	health string
	// The addresses of the three APIs.
	readListen, writeListen, adminListen string

	// stack is where `freshet up` keeps and finds the servers.
	stack stack.Config

	// mongoDatabase is the database in mongoURL.
	mongoDatabase string

	// tokens are the bearer tokens and keys that up gives its processes, by variable; see loadTokens.
	tokens map[string]string
}

func newSettings(env []string, stdout, stderr io.Writer) *settings {
	s := &settings{env: make(map[string]string, len(env)), stdout: stdout, stderr: stderr}
	for _, entry := range env {
		if name, value, found := strings.Cut(entry, "="); found {
			s.env[name] = value
		}
	}
	return s
}

// bind defines the shared flags.
func (s *settings) bind(flags *pflag.FlagSet) {
	flags.StringVar(&s.postgresURL, "postgres-url", "", "the shop's database (default postgres://postgres@127.0.0.1:5433/shop, started by up)")
	flags.StringSliceVar(&s.kafka, "kafka", nil, "Kafka's brokers, host:port, comma-separated (default 127.0.0.1:9094, started by up)")
	s.bindKafka(flags)
	flags.StringVar(&s.mongoURL, "mongo-url", "", "MongoDB and, as its path, the database (default mongodb://127.0.0.1:27018/freshet?directConnection=true, started by up)")
	flags.StringVar(&s.elasticURL, "elastic-url", "", "Elasticsearch (default http://127.0.0.1:9201, started by up)")
	flags.StringVar(&s.prefix, "prefix", "freshet", "begins the names of topics, groups, the replication slot and indices")
	flags.IntVar(&s.partitions, "partitions", 4, "partitions of each product topic; fixed once the topics exist")
	flags.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	flags.StringVar(&s.logFormat, "log-format", "text", "text or json")
	flags.StringVar(&s.health, "health", "", "address of /healthz and /metrics, such as 127.0.0.1:8470 (default none; up gives each process its own)")
	flags.StringVar(&s.readListen, "read-listen", "127.0.0.1:8080", "address of the read API")
	flags.StringVar(&s.writeListen, "write-listen", "127.0.0.1:8081", "address of the write API")
	flags.StringVar(&s.adminListen, "admin-listen", "127.0.0.1:8082", "address of the admin API")
	s.bindStack(flags)
}

func (s *settings) bindKafka(flags *pflag.FlagSet) {
	k := &s.kafkaSecurity
	flags.BoolVar(&k.TLS, "kafka-tls", false, "speak TLS to Kafka; the four settings below imply it")
	flags.StringVar(&k.CAFile, "kafka-ca-file", "", "certificates (PEM) that Kafka's are checked against (default the system's)")
	flags.StringVar(&k.CertFile, "kafka-cert-file", "", "our certificate (PEM), where Kafka wants one")
	flags.StringVar(&k.KeyFile, "kafka-key-file", "", "its key (PEM)")
	flags.StringVar(&k.ServerName, "kafka-server-name", "", "what Kafka's certificates are for (default the host in each broker's address)")
	flags.StringVar(&k.Mechanism, "kafka-sasl", "", "plain, scram-sha-256 or scram-sha-512 (default none)")
	flags.StringVar(&k.User, "kafka-user", "", "user for --kafka-sasl")
	flags.StringVar(&k.Password, "kafka-password", "", "its password; the list of processes shows flags, so give it as a variable")
}

func (s *settings) bindStack(flags *pflag.FlagSet) {
	ports := stack.DefaultPorts()
	flags.StringVar(&s.stack.Data, "data", "", "directory of the servers' data and logs (default ~/.local/share/freshet; /var/lib/freshet for root)")
	flags.StringVar(&s.stack.Cache, "cache", "", "directory of the servers' programs (default ~/.cache/freshet; /var/cache/freshet for root)")
	flags.StringVar(&s.stack.Docker, "docker", "auto", "run the servers in containers: auto (if an engine works), always or never")
	flags.IntVar(&s.stack.PostgresVersion, "postgres-version", artifact.DefaultPostgres, "major version of the Postgres that up starts: 15 to 18; its data can't be read by another one, and containers are always 17")
	flags.IntVar(&s.stack.Ports.Postgres, "postgres-port", ports.Postgres, "port of the Postgres that up starts")
	flags.IntVar(&s.stack.Ports.Kafka, "kafka-port", ports.Kafka, "port of the Kafka that up starts")
	flags.IntVar(&s.stack.Ports.KafkaController, "kafka-controller-port", ports.KafkaController, "port of its controller")
	flags.IntVar(&s.stack.Ports.Mongo, "mongo-port", ports.Mongo, "port of the MongoDB that up starts")
	flags.IntVar(&s.stack.Ports.Elastic, "elastic-port", ports.Elastic, "port of the Elasticsearch that up starts")
	flags.IntVar(&s.stack.Ports.ElasticTransport, "elastic-transport-port", ports.ElasticTransport, "port of its transport")
	flags.StringVar(&s.stack.ElasticHeap, "elastic-heap", "1g", "heap of the Elasticsearch that up starts")
	flags.IntVar(&s.stack.Nice, "read-side-nice", 0, "how far up puts the read side behind Postgres and the write API where cores are short, 0 to 19; with 15 purchases of a full machine take half as long, and pages are later")
	flags.IntVar(&s.stack.MongoCache, "mongo-cache", 512, "cache of the MongoDB that up starts, in MB")
}

// load completes the settings for a command and reports all problems together.
func (s *settings) load(cmd *cobra.Command) error {
	problems := fromEnvironment(cmd, s.env)
	s.stack.Postgres, s.stack.Kafka, s.stack.Mongo, s.stack.Elastic = s.postgresURL, s.kafka, s.mongoURL, s.elasticURL
	endpoints := s.stack.Endpoints()
	s.postgresURL, s.kafka, s.mongoURL, s.elasticURL = endpoints.Postgres, endpoints.Kafka, endpoints.Mongo, endpoints.Elastic
	problems = append(problems, s.validate()...)
	var err error
	if s.security, err = s.kafkaSecurity.Security(); err != nil {
		problems = append(problems, fmt.Errorf("--kafka-…: %w", err))
	}
	if len(problems) > 0 {
		return fmt.Errorf("settings:\n%w", errors.Join(problems...))
	}
	return nil
}

var validPrefix = regexp.MustCompile(`^[a-z][a-z0-9_]{0,29}$`)

// validate checks the shared settings; values that may hold a secret are not printed.
func (s *settings) validate() []error {
	var problems []error
	problem := func(flag, format string, args ...any) {
		problems = append(problems, fmt.Errorf("--%s (%s): %s", flag, variable(flag), fmt.Sprintf(format, args...)))
	}
	if !hasScheme(s.postgresURL, "postgres", "postgresql") {
		problem("postgres-url", "want postgres://user:password@host:port/database")
	}
	if !hasScheme(s.elasticURL, "http", "https") {
		problem("elastic-url", "want http://host:port")
	}
	s.mongoDatabase = mongoDatabase(s.mongoURL)
	if !hasScheme(s.mongoURL, "mongodb", "mongodb+srv") {
		problem("mongo-url", "want mongodb://host:port/database")
	}
	for _, broker := range s.kafka {
		if _, _, err := net.SplitHostPort(broker); err != nil {
			problem("kafka", "%q: want host:port", broker)
		}
	}
	for flag, address := range map[string]string{
		"read-listen": s.readListen, "write-listen": s.writeListen, "admin-listen": s.adminListen, "health": s.health,
	} {
		if _, _, err := net.SplitHostPort(address); err != nil && (flag != "health" || address != "") {
			problem(flag, "%q: want host:port", address)
		}
	}
	if !validPrefix.MatchString(s.prefix) {
		problem("prefix", "%q: want a lower-case letter, then up to 29 letters, digits or _", s.prefix)
	}
	if s.partitions < 1 || s.partitions > 1024 {
		problem("partitions", "%d: want 1 to 1024", s.partitions)
	}
	if new(slog.LevelVar).UnmarshalText([]byte(s.logLevel)) != nil {
		problem("log-level", "%q: want debug, info, warn or error", s.logLevel)
	}
	if s.logFormat != "text" && s.logFormat != "json" {
		problem("log-format", "%q: want text or json", s.logFormat)
	}
	return problems
}

func hasScheme(address string, schemes ...string) bool {
	for _, scheme := range schemes {
		if rest, found := strings.CutPrefix(address, scheme+"://"); found && rest != "" {
			return true
		}
	}
	return false
}

// mongoDatabase is the path of the URI. Its hosts may be a list, which net/url can't
// read, so only what is after them is looked at.
func mongoDatabase(uri string) string {
	_, rest, _ := strings.Cut(uri, "://")
	_, path, _ := strings.Cut(rest, "/")
	name, _, _ := strings.Cut(path, "?")
	if decoded, err := url.PathUnescape(name); err == nil && decoded != "" {
		return decoded
	}
	return "freshet"
}

// logger writes to standard error, as the settings say.
func (s *settings) logger() *slog.Logger {
	var level slog.LevelVar
	_ = level.UnmarshalText([]byte(s.logLevel)) // validated by load
	options := &slog.HandlerOptions{Level: &level}
	if s.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(s.stderr, options))
	}
	return slog.New(slog.NewTextHandler(s.stderr, options))
}
