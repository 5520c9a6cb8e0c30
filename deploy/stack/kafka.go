package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/process"
)

const nameKafka = "kafka"

// kafkaCluster is the cluster's id; any 16 bytes in base64 will do.
const kafkaCluster = "RnJlc2hldEthZmthMDAwMQ"

func (s *Stack) kafka() server {
	program := artifact.Kafka()
	external := ""
	if len(s.cfg.Kafka) > 0 {
		external = s.cfg.Kafka[0]
	}
	return server{
		name:     nameKafka,
		external: external,
		ports: []process.Port{
			{Number: s.cfg.Ports.Kafka, Setting: "FRESHET_KAFKA_PORT"},
			{Number: s.cfg.Ports.KafkaController, Setting: "FRESHET_KAFKA_CONTROLLER_PORT"},
		},
		tools:   s.toolsUnlessInstalled(program, artifact.Java),
		install: s.installer(program),
		spec:    s.kafkaSpec,
		ready:   s.kafkaReady,
	}
}

// KafkaNode is one node that is broker and controller; tests that kill brokers run one of their own.
type KafkaNode struct {
	Home             string // holds its data and configuration
	Port, Controller int
	// Relayed is the port of a second listener whose clients are told to come back by the port Relay, where a proxy
	// stands. 0: there is none.
	Relayed, Relay int
}

// properties configures the node. The factors of 1 and the short session are what one
// node needs: without the latter, a restart after a kill waits nine seconds for its own
// old session to end.
func (n KafkaNode) properties() string {
	listeners, advertised, protocols := "", "", ""
	if n.Relayed != 0 {
		listeners, advertised = fmt.Sprintf(",RELAYED://127.0.0.1:%d", n.Relayed), fmt.Sprintf(",RELAYED://127.0.0.1:%d", n.Relay)
		protocols = ",RELAYED:PLAINTEXT"
	}
	return fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%[2]d
listeners=PLAINTEXT://127.0.0.1:%[1]d,CONTROLLER://127.0.0.1:%[2]d%[4]s
advertised.listeners=PLAINTEXT://127.0.0.1:%[1]d%[5]s
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT%[6]s
log.dirs=%[3]s
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=1000
log.segment.bytes=67108864
`, n.Port, n.Controller, filepath.Join(n.Home, "data"), listeners, advertised, protocols)
}

// kafkaLogging sends warnings to the process' output; without a file, Log4j says
// nothing but errors.
const kafkaLogging = `<Configuration status="ERROR">
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %c: %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
`

func (s *Stack) kafkaSpec(ctx context.Context, dir string) (process.Spec, error) {
	node := KafkaNode{Home: filepath.Join(s.cfg.Data, nameKafka), Port: s.cfg.Ports.Kafka, Controller: s.cfg.Ports.KafkaController}
	spec, err := node.Spec(ctx, s.account, dir, "512m")
	spec.ReadyWithin, spec.Nice = 2*time.Minute, s.cfg.Nice
	return spec, err
}

// Spec writes the node's configuration, formats its data at the first time and says how to run it; program is the
// directory of the installed artifact, heap Java's, as in 512m.
func (n KafkaNode) Spec(ctx context.Context, account *process.Account, program, heap string) (process.Spec, error) {
	java, javaHome, err := javaCommand(ctx)
	if err != nil {
		return process.Spec{}, err
	}
	properties, logging := filepath.Join(n.Home, "server.properties"), filepath.Join(n.Home, "log4j2.xml")
	text := n.properties()
	if err := writeConfig(n.Home, map[string]string{properties: text, logging: kafkaLogging}); err != nil {
		return process.Spec{}, err
	}
	if err := account.Own(n.Home); err != nil {
		return process.Spec{}, fmt.Errorf("make Kafka's directory: %w", err)
	}
	base := []string{"-Dlog4j2.configurationFile=" + logging, "-cp", filepath.Join(program, "lib", "*")}
	env := []string{"HOME=" + n.Home, "JAVA_HOME=" + javaHome, "PATH=/usr/bin:/bin"}
	if _, err := os.Stat(filepath.Join(n.Home, "data", "meta.properties")); errors.Is(err, os.ErrNotExist) {
		format := account.Command(ctx, java, append(base, "kafka.tools.StorageTool", "format",
			"-t", kafkaCluster, "-c", properties, "--ignore-formatted")...)
		format.Env, format.Dir = env, n.Home
		if out, err := format.CombinedOutput(); err != nil {
			return process.Spec{}, fmt.Errorf("format: %w: %s", err, bytes.TrimSpace(out))
		}
	}
	args := append([]string{java, "-Xms" + heap, "-Xmx" + heap, "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError"}, base...)
	return process.Spec{Args: append(args, "kafka.Kafka", properties), Env: env, Dir: n.Home, Fingerprint: text}, nil
}

// kafkaReady asks for a working controller, without which no topic can be made.
func (s *Stack) kafkaReady(ctx context.Context) error {
	return KafkaReady(ctx, s.Endpoints().Kafka)
}

// KafkaReady returns nil once the brokers answer and have a controller.
func KafkaReady(ctx context.Context, brokers []string) error {
	transport := &kafka.Transport{DialTimeout: 2 * time.Second}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: 3 * time.Second}
	answer, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return err
	}
	if len(answer.Brokers) == 0 || answer.Controller.Host == "" {
		return errors.New("the broker has not registered yet")
	}
	return nil
}

// writeConfig writes configuration files that are generated anew at each start.
func writeConfig(dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
	}
	return nil
}
