package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"freshet/deploy/compose"
	"freshet/deploy/stack/artifact"
)

// composeServices are the names in the compose file by server.
var composeServices = map[string]string{
	namePostgres: "postgres", nameKafka: "kafka", nameMongo: "mongo", nameElastic: "elasticsearch",
}

// UsesDocker reports whether the servers run in containers: an engine that works, not
// just the client, and compose with it. What Up decided once for a data directory
// stays, since its data is in volumes then.
func (s *Stack) UsesDocker(ctx context.Context) bool {
	switch {
	case s.cfg.Docker == "never" || s.cfg.PostgresVersion != artifact.DefaultPostgres:
		return false
	case s.cfg.Docker == "always" || s.composeStarted():
		return true
	}
	for _, name := range []string{namePostgres, nameKafka, nameMongo, nameElastic} {
		if _, err := os.Stat(filepath.Join(s.cfg.Data, name)); err == nil {
			return false
		}
	}
	return exec.CommandContext(ctx, "docker", "info").Run() == nil &&
		exec.CommandContext(ctx, "docker", "compose", "version").Run() == nil
}

func (s *Stack) composeFile() string { return filepath.Join(s.cfg.Data, "compose.yaml") }

func (s *Stack) composeStarted() bool {
	_, err := os.Stat(s.composeFile())
	return err == nil
}

// composeUp starts the services and waits until the file's health checks pass. It
// returns false if an engine that was merely found can't do it the first time, for
// want of the images as a rule: the servers can still be started as processes.
func (s *Stack) composeUp(ctx context.Context, servers []server) (ok bool, err error) {
	first := !s.composeStarted()
	if err := os.WriteFile(s.composeFile(), compose.File, 0o644); err != nil {
		return false, fmt.Errorf("write the compose file: %w", err)
	}
	args := []string{"up", "--detach", "--wait"}
	for _, srv := range servers {
		args = append(args, composeServices[srv.name])
	}
	err = s.compose(ctx, args...)
	if err == nil || ctx.Err() != nil || !first {
		return err == nil, err
	}
	// Nothing is left behind that would make the next `up` choose containers.
	err = errors.Join(err, s.compose(ctx, "down", "--volumes"), os.Remove(s.composeFile()))
	if s.cfg.Docker == "always" {
		return false, err
	}
	s.board.Printf("  the Docker engine could not start the servers, they are started as processes: %v", err)
	return false, nil
}

// composeDown removes the containers and keeps the volumes, where the data is.
func (s *Stack) composeDown(ctx context.Context) error {
	return s.compose(ctx, "down")
}

// compose runs the client's own progress display on our output.
func (s *Stack) compose(ctx context.Context, args ...string) error {
	args = append([]string{"compose", "--project-name", s.composeProject(), "--file", s.composeFile()}, args...)
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), s.composeEnv()...)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("docker %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// composeProject is different for each data directory's name, so that a test stack
// does not share the volumes of the one in use.
func (s *Stack) composeProject() string {
	name := strings.ToLower(filepath.Base(s.cfg.Data))
	if !strings.HasPrefix(name, "freshet") {
		name = "freshet-" + name
	}
	return name
}

func (s *Stack) composeEnv() []string {
	p := s.cfg.Ports
	return []string{
		"FRESHET_POSTGRES_PORT=" + strconv.Itoa(p.Postgres),
		"FRESHET_KAFKA_PORT=" + strconv.Itoa(p.Kafka),
		"FRESHET_MONGO_PORT=" + strconv.Itoa(p.Mongo),
		"FRESHET_ELASTIC_PORT=" + strconv.Itoa(p.Elastic),
		"FRESHET_ELASTIC_HEAP=" + s.cfg.ElasticHeap,
	}
}
