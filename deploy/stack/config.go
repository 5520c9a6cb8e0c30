package stack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/filelock"
)

// Config says where the servers are or shall be.
type Config struct {
	// Data holds the servers' data, pid files and logs. Default: freshet in the
	// user's data directory, /var/lib/freshet for root.
	Data string
	// Cache holds the servers' programs. Default: freshet in the user's cache
	// directory, /var/cache/freshet for root.
	Cache string
	// Ports of servers that are started here; zero is the default.
	Ports Ports
	// Postgres, Kafka, Mongo and Elastic are addresses of servers that exist
	// already; each is then left alone. Empty: the server is started.
	Postgres string
	Kafka    []string
	Mongo    string
	Elastic  string
	// PostgresVersion is the major version of the Postgres that is started: 15 to 18,
	// default 17. Its data can't be read by another one. Containers are always 17.
	PostgresVersion int
	// Docker is auto (use an engine if one works), never or always.
	Docker string
	// ElasticHeap is Elasticsearch's heap, such as 1g. Too small and large
	// aggregations fail; the process takes about 400 MB more.
	ElasticHeap string
	// MongoCache is MongoDB's cache in megabytes; default 512.
	MongoCache int
	// Nice is how far the read side stands behind Postgres and the write API, 0 to 19, see priority.go.
	Nice int
}

// Ports are the TCP ports of the servers on 127.0.0.1.
type Ports struct {
	Postgres, Kafka, KafkaController, Mongo, Elastic, ElasticTransport int
}

// DefaultPorts avoid the servers' own defaults, which are often taken.
func DefaultPorts() Ports {
	return Ports{Postgres: 5433, Kafka: 9094, KafkaController: 9095, Mongo: 27018, Elastic: 9201, ElasticTransport: 9301}
}

func (p Ports) orDefault() Ports {
	standard := DefaultPorts()
	for _, port := range []struct{ value, standard *int }{
		{&p.Postgres, &standard.Postgres},
		{&p.Kafka, &standard.Kafka},
		{&p.KafkaController, &standard.KafkaController},
		{&p.Mongo, &standard.Mongo},
		{&p.Elastic, &standard.Elastic},
		{&p.ElasticTransport, &standard.ElasticTransport},
	} {
		if *port.value == 0 {
			*port.value = *port.standard
		}
	}
	return p
}

func (c Config) withDefaults() (Config, error) {
	if c.Data == "" {
		dir, err := defaultDir("XDG_DATA_HOME", "/var/lib", func() (string, error) {
			home, err := os.UserHomeDir()
			return filepath.Join(home, ".local", "share"), err
		})
		if err != nil {
			return c, fmt.Errorf("find the data directory: %w", err)
		}
		c.Data = dir
	}
	if c.Cache == "" {
		dir, err := DefaultCache()
		if err != nil {
			return c, err
		}
		c.Cache = dir
	}
	c.Ports = c.Ports.orDefault()
	if c.PostgresVersion == 0 {
		c.PostgresVersion = artifact.DefaultPostgres
	}
	if c.Docker == "" {
		c.Docker = "auto"
	}
	if c.ElasticHeap == "" {
		c.ElasticHeap = "1g"
	}
	if c.MongoCache == 0 {
		c.MongoCache = 512
	}
	var err error
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return c, err
	}
	c.Cache, err = filepath.Abs(c.Cache)
	return c, err
}

// DefaultCache is where the servers' programs are kept unless Config.Cache says otherwise.
func DefaultCache() (string, error) {
	dir, err := defaultDir("XDG_CACHE_HOME", "/var/cache", os.UserCacheDir)
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	return dir, nil
}

// defaultDir is the user's directory, except for root: its home is closed to the
// account that the servers then run as.
func defaultDir(variable, ofRoot string, ofUser func() (string, error)) (string, error) {
	if dir := os.Getenv(variable); dir != "" {
		return filepath.Join(dir, "freshet"), nil
	}
	if os.Geteuid() == 0 {
		return filepath.Join(ofRoot, "freshet"), nil
	}
	dir, err := ofUser()
	return filepath.Join(dir, "freshet"), err
}

var heapSize = regexp.MustCompile(`^[1-9][0-9]*[mg]$`)

func (c Config) validate() error {
	var problems []error
	seen := map[int]string{}
	for name, port := range map[string]int{
		"Postgres": c.Ports.Postgres, "Kafka": c.Ports.Kafka, "Kafka controller": c.Ports.KafkaController,
		"MongoDB": c.Ports.Mongo, "Elasticsearch": c.Ports.Elastic, "Elasticsearch transport": c.Ports.ElasticTransport,
	} {
		if port < 1 || port > 65535 {
			problems = append(problems, fmt.Errorf("the port of %s is %d, want 1 to 65535", name, port))
		}
		if other, twice := seen[port]; twice {
			problems = append(problems, fmt.Errorf("%s and %s both have port %d", name, other, port))
		}
		seen[port] = name
	}
	if !slices.Contains(artifact.PostgresMajors(), c.PostgresVersion) {
		problems = append(problems, fmt.Errorf("the version of Postgres is %d, want one of %v", c.PostgresVersion, artifact.PostgresMajors()))
	}
	if c.Docker == "always" && c.PostgresVersion != artifact.DefaultPostgres {
		problems = append(problems, fmt.Errorf("the version of Postgres is %d, but containers run %d", c.PostgresVersion, artifact.DefaultPostgres))
	}
	if c.Docker != "auto" && c.Docker != "never" && c.Docker != "always" {
		problems = append(problems, fmt.Errorf("docker is %q, want auto, never or always", c.Docker))
	}
	if !heapSize.MatchString(c.ElasticHeap) {
		problems = append(problems, fmt.Errorf("the heap of Elasticsearch is %q, want a size such as 512m or 1g", c.ElasticHeap))
	}
	if c.Nice < 0 || c.Nice > 19 {
		problems = append(problems, fmt.Errorf("the read side is %d behind, want 0 to 19", c.Nice))
	}
	if c.MongoCache < 256 {
		problems = append(problems, fmt.Errorf("the cache of MongoDB is %d MB, want at least 256", c.MongoCache))
	}
	return errors.Join(problems...)
}

// Endpoints are the addresses to use the servers by.
type Endpoints struct {
	Postgres string
	Kafka    []string
	Mongo    string
	Elastic  string
}

// PostgresDatabase is the database made in a Postgres that is started here.
const PostgresDatabase = "shop"

// Endpoints returns the addresses of the servers, given or started here.
func (c Config) Endpoints() Endpoints {
	ports := c.Ports.orDefault()
	e := Endpoints{Postgres: c.Postgres, Kafka: c.Kafka, Mongo: c.Mongo, Elastic: c.Elastic}
	if e.Postgres == "" {
		e.Postgres = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s", ports.Postgres, PostgresDatabase)
	}
	if len(e.Kafka) == 0 {
		e.Kafka = []string{fmt.Sprintf("127.0.0.1:%d", ports.Kafka)}
	}
	if e.Mongo == "" {
		e.Mongo = fmt.Sprintf("mongodb://127.0.0.1:%d/freshet?directConnection=true", ports.Mongo)
	}
	if e.Elastic == "" {
		e.Elastic = fmt.Sprintf("http://127.0.0.1:%d", ports.Elastic)
	}
	return e
}

// Endpoints returns the addresses of the stack's servers.
func (s *Stack) Endpoints() Endpoints { return s.cfg.Endpoints() }

func (s *Stack) addressOf(srv server) string {
	e := s.Endpoints()
	return map[string]string{
		namePostgres: e.Postgres, nameKafka: strings.Join(e.Kafka, ","), nameMongo: e.Mongo, nameElastic: e.Elastic,
	}[srv.name]
}

// redact hides the password of an address that is printed.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	return u.Redacted()
}

// lock keeps two launchers off one data directory.
func (s *Stack) lock(ctx context.Context) (release func() error, err error) {
	release, err = filelock.Take(ctx, filepath.Join(s.cfg.Data, "lock"), func() {
		s.board.Printf("waiting for another launcher that works on %s", s.cfg.Data)
	})
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", s.cfg.Data, err)
	}
	return release, nil
}
