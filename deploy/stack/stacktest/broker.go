package stacktest

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"freshet/deploy/stack"
	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/process"
	"freshet/deploy/stack/progress"
)

// Broker is a Kafka that one test has for itself: it may be stopped, killed and
// started again. Its methods fail the test by themselves and belong to one goroutine.
type Broker struct {
	t    testing.TB
	node stack.KafkaNode
	spec process.Spec
	acct *process.Account

	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
}

// KafkaBroker starts a Kafka of one node on free ports and ends it when the test does.
// Where relay is not 0, a second listener tells its clients to come back by that port of
// 127.0.0.1, where the test has a proxy to Relayed. It is skipped like any test that
// needs servers: where FRESHET_TEST_KAFKA is not set.
func KafkaBroker(t testing.TB, relay int) *Broker {
	t.Helper()
	address(t, "FRESHET_TEST_KAFKA")
	b := &Broker{t: t, node: stack.KafkaNode{Port: freePort(t), Controller: freePort(t)}}
	if relay != 0 {
		b.node.Relayed, b.node.Relay = freePort(t), relay
	}
	program, err := b.install()
	if err != nil {
		t.Fatal(err)
	}
	b.node.Home = filepath.Join(t.TempDir(), "kafka")
	// The server's account can't reach what only the test's may enter.
	if err := os.Chmod(filepath.Dir(filepath.Dir(b.node.Home)), 0o755); err != nil {
		t.Fatal(err)
	}
	if b.spec, err = b.node.Spec(t.Context(), b.acct, program, "256m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Kill)
	b.Start()
	return b
}

func (b *Broker) install() (program string, err error) {
	ctx := b.t.Context()
	cache := os.Getenv("FRESHET_CACHE")
	if cache == "" {
		if cache, err = stack.DefaultCache(); err != nil {
			return "", err
		}
	}
	kafka := artifact.Kafka()
	if b.acct, err = process.Unprivileged(ctx); err != nil {
		return "", err
	}
	if !kafka.Installed(cache) {
		if err := artifact.Provide(ctx, artifact.Missing(ctx, kafka.Tools), b.t.Output()); err != nil {
			return "", err
		}
	}
	return artifact.Install(ctx, cache, kafka, progress.NewBoard(b.t.Output()).Start("kafka"))
}

// Addr is host:port, the same after a restart.
func (b *Broker) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.node.Port)) }

// Relayed is the address of the second listener: what a proxy at the relay's port is to lead to.
func (b *Broker) Relayed() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.node.Relayed)) }

// Start starts the broker if it does not run, and returns when it answers.
func (b *Broker) Start() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	for {
		if !b.running() {
			if err := b.launch(); err != nil {
				b.t.Fatal(err)
			}
		}
		err := stack.KafkaReady(ctx, []string{b.Addr()})
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("Kafka at %s does not answer: %v", b.Addr(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (b *Broker) launch() error {
	// Not bound to the test's context: that ends before the cleanups run.
	cmd := exec.Command(b.spec.Args[0], b.spec.Args[1:]...) //nolint:noctx // see above
	cmd.SysProcAttr = b.acct.Command(context.Background(), cmd.Path).SysProcAttr
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	endWithParent(cmd.SysProcAttr, syscall.SIGKILL) // on SIGQUIT Java prints its threads and goes on
	cmd.Dir, cmd.Env = b.spec.Dir, b.spec.Env
	log, err := os.OpenFile(filepath.Join(b.node.Home, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // a killed server's status says nothing
		_ = log.Close()
	}()
	b.cmd, b.ended = cmd, ended
	return nil
}

func (b *Broker) running() bool {
	if b.cmd == nil {
		return false
	}
	select {
	case <-b.ended:
		return false
	default:
		return true
	}
}

// Stop is an orderly shutdown.
func (b *Broker) Stop() { b.t.Helper(); b.end(syscall.SIGTERM) }

// Kill is kill -9: what the broker acknowledged is in its files, synced to the disk or not.
func (b *Broker) Kill() { b.t.Helper(); b.end(syscall.SIGKILL) }

func (b *Broker) end(signal syscall.Signal) {
	b.t.Helper()
	if !b.running() {
		return
	}
	if err := b.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		b.t.Errorf("%s to Kafka: %v", signal, err)
	}
	select {
	case <-b.ended:
	case <-time.After(serverPatience):
		b.t.Errorf("Kafka at %s does not end on %s", b.Addr(), signal)
	}
}
