package stacktest

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"freshet/deploy/stack"
	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/process"
)

// Broker is a Kafka that one test has for itself: it may be stopped, killed and
// started again. Its methods fail the test by themselves and belong to one goroutine.
type Broker struct {
	daemon
	node stack.KafkaNode
	spec process.Spec
}

// KafkaBroker starts a Kafka of one node on free ports and ends it when the test does.
// Where relay is not 0, a second listener tells its clients to come back by that port of
// 127.0.0.1, where the test has a proxy to Relayed. It is skipped like any test that
// needs servers: where FRESHET_TEST_KAFKA is not set.
func KafkaBroker(t testing.TB, relay int) *Broker {
	t.Helper()
	address(t, "FRESHET_TEST_KAFKA")
	b := &Broker{node: stack.KafkaNode{Port: freePort(t), Controller: freePort(t)}}
	if relay != 0 {
		b.node.Relayed, b.node.Relay = freePort(t), relay
	}
	program, account := provide(t, "kafka", artifact.Kafka())
	b.daemon = daemon{t: t, name: "Kafka at " + b.Addr(), account: account}
	b.node.Home = filepath.Join(t.TempDir(), "kafka")
	// The server's account can't reach what only the test's may enter.
	err := os.Chmod(filepath.Dir(filepath.Dir(b.node.Home)), 0o755)
	if err == nil {
		b.spec, err = b.node.Spec(t.Context(), account, program, "256m")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Kill)
	b.Start()
	return b
}

// Addr is host:port, the same after a restart.
func (b *Broker) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.node.Port)) }

// Relayed is the address of the second listener: what a proxy at the relay's port is to lead to.
func (b *Broker) Relayed() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.node.Relayed)) }

// Start starts the broker if it does not run, and returns when it answers.
func (b *Broker) Start() {
	b.t.Helper()
	b.start(func() (launching, error) {
		log, err := os.OpenFile(filepath.Join(b.node.Home, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		// On SIGQUIT Java prints its threads and goes on.
		return launching{args: b.spec.Args, env: b.spec.Env, dir: b.spec.Dir, out: log, orphaned: syscall.SIGKILL}, err
	}, func(ctx context.Context) error { return stack.KafkaReady(ctx, []string{b.Addr()}) })
}

// Stop is an orderly shutdown.
func (b *Broker) Stop() { b.t.Helper(); b.end(syscall.SIGTERM) }

// Kill is kill -9: what the broker acknowledged is in its files, synced to the disk or not.
func (b *Broker) Kill() { b.t.Helper(); b.end(syscall.SIGKILL) }
