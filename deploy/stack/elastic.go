package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/process"
)

const nameElastic = "elasticsearch"

func (s *Stack) elastic() server {
	program := artifact.Elasticsearch()
	return server{
		name:     nameElastic,
		external: s.cfg.Elastic,
		ports: []process.Port{
			{Number: s.cfg.Ports.Elastic, Setting: "FRESHET_ELASTIC_PORT"},
			{Number: s.cfg.Ports.ElasticTransport, Setting: "FRESHET_ELASTIC_TRANSPORT_PORT"},
		},
		tools:   s.toolsUnlessInstalled(program, artifact.Java),
		install: s.installer(program),
		spec:    s.elasticSpec,
		ready:   s.elasticReady,
	}
}

func (s *Stack) elasticConfig(home string) string {
	return fmt.Sprintf(`cluster.name: freshet
node.name: freshet
discovery.type: single-node
network.host: 127.0.0.1
http.port: %d
transport.port: %d
path.data: %s
path.logs: %s
# Reached over the loopback interface only.
xpack.security.enabled: false
# On a nearly full disk a shop of one node must stay writable; the disk is watched elsewhere.
cluster.routing.allocation.disk.threshold_enabled: false
`, s.cfg.Ports.Elastic, s.cfg.Ports.ElasticTransport, filepath.Join(home, "data"), filepath.Join(home, "logs"))
}

// jvmOptions are the server's own, less its logs of garbage collection, which it
// would write into its program directory.
func (s *Stack) jvmOptions(home string) string {
	return fmt.Sprintf(`-Xms%[1]s
-Xmx%[1]s
-XX:+UseG1GC
-Djava.io.tmpdir=%[2]s
-XX:+ExitOnOutOfMemoryError
-XX:ErrorFile=%[3]s
`, s.cfg.ElasticHeap, filepath.Join(home, "tmp"), filepath.Join(home, "logs", "hs_err_pid%p.log"))
}

// elasticLogging replaces the stock file, which writes five rotating files.
const elasticLogging = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] [%node_name]%marker %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
`

func (s *Stack) elasticSpec(ctx context.Context, dir string) (process.Spec, error) {
	home := filepath.Join(s.cfg.Data, nameElastic)
	config := filepath.Join(home, "config")
	java, javaHome, err := javaCommand(ctx)
	if err != nil {
		return process.Spec{}, err
	}
	files := map[string]string{
		filepath.Join(config, "elasticsearch.yml"): s.elasticConfig(home),
		filepath.Join(config, "jvm.options"):       s.jvmOptions(home),
		filepath.Join(config, "log4j2.properties"): elasticLogging,
	}
	if err := writeConfig(config, files); err != nil {
		return process.Spec{}, err
	}
	tmp := filepath.Join(home, "tmp")
	for _, d := range []string{filepath.Join(home, "data"), filepath.Join(home, "logs"), tmp} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return process.Spec{}, err
		}
	}
	if err := s.account.Own(home); err != nil {
		return process.Spec{}, fmt.Errorf("make Elasticsearch's directory: %w", err)
	}
	var texts []string
	for _, path := range []string{"elasticsearch.yml", "jvm.options", "log4j2.properties"} {
		texts = append(texts, files[filepath.Join(config, path)])
	}
	return process.Spec{
		// What the absent bin/elasticsearch would run: a small JVM that starts the
		// server as its child. The working directory must be the program's, else
		// the server does not find its modules.
		Args: []string{
			java, "-Xms4m", "-Xmx64m", "-XX:+UseSerialGC",
			"-Dcli.name=server", "-Dcli.script=elasticsearch", "-Dcli.libs=lib/tools/server-cli",
			"-Des.path.home=" + dir, "-Des.path.conf=" + config,
			"-Des.distribution.type=zip", "-Des.java.type=ES_JAVA_HOME",
			"-cp", filepath.Join(dir, "lib", "*") + ":" + filepath.Join(dir, "lib", "cli-launcher", "*"),
			"org.elasticsearch.launcher.CliToolLauncher",
		},
		Env: []string{
			"ES_HOME=" + dir, "ES_PATH_CONF=" + config, "ES_TMPDIR=" + tmp, "ES_JAVA_HOME=" + javaHome,
			"HOME=" + home, "PATH=/usr/bin:/bin",
		},
		Dir:         dir,
		Nice:        s.cfg.Nice - elasticLead,
		Fingerprint: strings.Join(texts, ""),
		Grace:       time.Minute,
		ReadyWithin: 4 * time.Minute,
	}, nil
}

// elasticReady waits until the primaries are there: before that, a search of an
// index that exists fails.
func (s *Stack) elasticReady(ctx context.Context) (err error) {
	location := strings.TrimSuffix(s.Endpoints().Elastic, "/") + "/_cluster/health?wait_for_status=yellow&timeout=2s"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	var health struct {
		Status string `json:"status"`
	}
	if err := json.NewDecoder(response.Body).Decode(&health); err != nil {
		return fmt.Errorf("%s: %w", response.Status, err)
	}
	if response.StatusCode != http.StatusOK || health.Status == "red" {
		return fmt.Errorf("%s: the cluster is %s", response.Status, health.Status)
	}
	return nil
}

func (s *Stack) servers() []server {
	return []server{s.elastic(), s.mongo(), s.kafka(), s.postgres()}
}
