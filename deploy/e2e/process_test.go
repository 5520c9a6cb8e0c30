package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary builds freshet once for all tests, with the failpoints compiled in.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "freshet-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "freshet")
	out, err := exec.Command("go", "build", "-tags", "failpoint", "-o", path, "freshet/cmd/freshet").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path)) // a temporary directory; the system cleans up what is left
	}
	os.Exit(code)
}

// process is one of our processes: it can be killed and started again.
type process struct {
	t    testing.TB
	name string
	args []string
	env  []string
	log  string

	mu    sync.Mutex
	cmd   *exec.Cmd
	done  chan struct{}
	began int64 // size of the log when the process was started

	supervised sync.WaitGroup
}

func (p *process) start(extra ...string) {
	p.t.Helper()
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(path, p.args...)
	cmd.Env = append(append(os.Environ(), p.env...), extra...)
	f, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatalf("open the log of %s: %v", p.name, err)
	}
	if info, err := f.Stat(); err == nil {
		p.began = info.Size()
	}
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is read from its state
		_ = f.Close()
		close(done)
	}()
	p.cmd, p.done = cmd, done
}

// current is the process that was started last; nil before the first start.
func (p *process) current() (*exec.Cmd, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd, p.done
}

// works says whether the process that was started last has come to its work, by its own word.
func (p *process) works() bool {
	p.mu.Lock()
	began := p.began
	p.mu.Unlock()
	raw, err := os.ReadFile(p.log)
	if err != nil || int64(len(raw)) < began {
		return false
	}
	said := raw[began:]
	return bytes.Contains(said, []byte("msg=streaming")) || bytes.Contains(said, []byte(`msg="partitions assigned"`))
}

// running says whether the process has not ended by itself.
func (p *process) running() bool {
	_, done := p.current()
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// kill ends the process that runs now the hard way and waits until it is gone.
func (p *process) kill() { p.end(syscall.SIGKILL) }

// stop ends it in order: it leaves its groups, which else would miss it for the length of a session first.
func (p *process) stop() { p.end(syscall.SIGTERM) }

func (p *process) end(how syscall.Signal) {
	cmd, done := p.current()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(how) // gone already is as good
	<-done
}

// tail returns the last lines of the process's log.
func (p *process) tail(lines int) string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// supervise starts the process again whenever it dies, as an orchestrator would, until the context ends.
func (p *process) supervise(ctx context.Context) {
	p.start()
	p.supervised.Go(func() {
		for {
			_, done := p.current()
			select {
			case <-ctx.Done():
				return
			case <-done:
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(200 * time.Millisecond): // an orchestrator's pause
			}
			p.start()
		}
	})
}
