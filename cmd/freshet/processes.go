package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"freshet/deploy/stack"
	"freshet/deploy/stack/process"
	"freshet/projectors/demand"
	"freshet/projectors/notify"
)

// ownProcess is one of Freshet's own processes as `freshet up` runs it.
type ownProcess struct {
	name string
	args []string
	// listen is the address it serves an API on, and the setting that changes it.
	listen, setting string
	// nice is its priority, see deploy/stack/priority.go: who buys waits for the write API and, where there is no other provider,
	// for the sandbox; for the audit nobody waits.
	nice int
}

// ownProcesses are in the order of the flow, which is the order they start in; they
// end in the reverse one.
func (s *settings) ownProcesses() []ownProcess {
	processes := []ownProcess{
		{name: "ingest", args: s.ingestArguments(), nice: s.stack.Nice},
		{name: "project", args: append([]string{"project", demand.StageName}, stageNames...), nice: s.stack.Nice},
		{name: "read", args: []string{"serve", "read"}, listen: s.readListen, setting: "FRESHET_READ_LISTEN", nice: s.stack.Nice},
		{name: "write", args: []string{"serve", "write"}, listen: s.writeListen, setting: "FRESHET_WRITE_LISTEN", nice: stack.WriteAPI},
		{name: "admin", args: []string{"serve", "admin"}, listen: s.adminListen, setting: "FRESHET_ADMIN_LISTEN", nice: s.stack.Nice},
	}
	if s.env[notifyMailVariable] != "" || s.env[notifyWebhookVariable] != "" {
		processes = append(processes, ownProcess{name: "notify", args: []string{"project", notify.StageName}, nice: s.stack.Nice})
	}
	if s.env[paymentVariable] == "" {
		processes = append(processes, ownProcess{name: "sandbox", args: []string{"sandbox"}, listen: s.sandboxListen(), setting: sandboxVariable, nice: stack.Sandbox})
	}
	return append(processes, ownProcess{name: "audit", args: []string{"audit", "--continuous"}, nice: stack.Audit})
}

// lingerHere is ingest's --linger where the launcher has put everything on one machine.
const lingerHere = 5 * time.Millisecond

func (s *settings) ingestArguments() []string {
	if s.env[variable("linger")] != "" {
		return []string{"ingest"}
	}
	return []string{"ingest", "--linger", lingerHere.String()}
}

// processSpecs says how each of them is run.
func (s *settings) processSpecs(cmd *cobra.Command, healthPort int) ([]process.Spec, error) {
	binary, build, err := ownBinary()
	if err != nil {
		return nil, err
	}
	var specs []process.Spec
	for i, p := range s.ownProcesses() {
		health := net.JoinHostPort("127.0.0.1", strconv.Itoa(healthPort+i))
		ports, err := p.ports(healthPort + i)
		if err != nil {
			return nil, err
		}
		specs = append(specs, process.Spec{
			Name:        p.name,
			Args:        append([]string{binary}, p.args...),
			Env:         s.childEnvironment(cmd, health),
			Fingerprint: build,
			Ports:       ports,
			Nice:        p.nice,
			Ready:       func(ctx context.Context) error { return askHealth(ctx, health) },
			ReadyWithin: 3 * time.Minute,
		})
	}
	return specs, nil
}

// ports are those that it listens on, health the one it is asked at.
func (p ownProcess) ports(health int) ([]process.Port, error) {
	ports := []process.Port{{Number: health, Setting: "FRESHET_HEALTH_PORT"}}
	if p.listen == "" {
		return ports, nil
	}
	port, err := portOf(p.listen)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.setting, err)
	}
	return append(ports, process.Port{Number: port, Setting: p.setting}), nil
}

func portOf(address string) (int, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// preflightProcesses finds every port that is taken before anything is started.
func (s *settings) preflightProcesses(ctx context.Context, supervisor *process.Supervisor, healthPort int) error {
	var problems []error
	for i, p := range s.ownProcesses() {
		ports, err := p.ports(healthPort + i)
		if err != nil {
			return err
		}
		problems = append(problems, supervisor.Preflight(ctx, p.name, ports))
	}
	return errors.Join(problems...)
}

// startProcesses runs those that do not run yet, and restarts those whose binary or
// settings changed.
func (s *settings) startProcesses(ctx context.Context, supervisor *process.Supervisor, specs []process.Spec) error {
	for _, spec := range specs {
		started, err := supervisor.Up(ctx, spec)
		if err != nil {
			return err
		}
		if err := s.printf("  %s: %s\n", spec.Name, map[bool]string{true: "started", false: "runs"}[started]); err != nil {
			return err
		}
	}
	return nil
}

// ownBinary returns the path of this program and the sum of its content: a build that
// changed nothing has another time but the same content, and restarts nothing.
func ownBinary() (path, sum string, err error) {
	path, err = os.Executable()
	if err != nil {
		return "", "", fmt.Errorf("find our own binary: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", "", fmt.Errorf("read our own binary: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", "", fmt.Errorf("read our own binary: %w", err)
	}
	return path, hex.EncodeToString(hash.Sum(nil)), nil
}

// childEnvironment is what a process of ours is given: every shared setting that was
// set, by flag or variable, and the addresses that follow from them.
func (s *settings) childEnvironment(cmd *cobra.Command, health string) []string {
	values := map[string]string{}
	for name, value := range s.env {
		if strings.HasPrefix(name, envPrefix) && name != processVariable {
			values[name] = value
		}
	}
	cmd.Root().PersistentFlags().VisitAll(func(flag *pflag.Flag) {
		if flag.Changed {
			values[variable(flag.Name)] = strings.Trim(flag.Value.String(), "[]")
		}
	})
	values["FRESHET_POSTGRES_URL"], values["FRESHET_KAFKA"] = cmp.Or(s.localPostgres, s.postgresURL), strings.Join(s.kafka, ",")
	values["FRESHET_MONGO_URL"], values["FRESHET_ELASTIC_URL"] = s.mongoURL, s.elasticURL
	values["FRESHET_HEALTH"] = health
	for name, token := range s.tokens {
		values[name] = token
	}
	for _, name := range []string{"HOME", "PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GOMAXPROCS", "GOMEMLIMIT", "GOGC"} {
		if value := s.env[name]; value != "" {
			values[name] = value
		}
	}
	env := make([]string, 0, len(values))
	for name, value := range values {
		env = append(env, name+"="+value)
	}
	sort.Strings(env)
	return env
}

// runSelf runs a subcommand of ours to its end, its output on ours.
func (s *settings) runSelf(cmd *cobra.Command, out io.Writer, args ...string) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find our own binary: %w", err)
	}
	child := exec.CommandContext(cmd.Context(), binary, args...)
	child.Env = s.childEnvironment(cmd, "")
	child.Stdout, child.Stderr = out, s.stderr
	// Interrupted, it gets the chance that we got.
	child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
	child.WaitDelay = 30 * time.Second
	if err := child.Run(); err != nil {
		return fmt.Errorf("freshet %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// askHealth answers nil once /healthz says ready, else its reasons.
func askHealth(ctx context.Context, address string) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(body)))
	}
	return nil
}

func (s *settings) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(s.stdout, format, args...)
	return err
}
