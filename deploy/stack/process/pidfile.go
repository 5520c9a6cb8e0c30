package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// record is the content of a pid file.
type record struct {
	PID         int            `json:"pid"`
	Identity    string         `json:"identity"`
	Marker      string         `json:"marker"`
	Fingerprint string         `json:"fingerprint"`
	Stop        syscall.Signal `json:"stop"`
	Grace       time.Duration  `json:"grace"`
	Since       time.Time      `json:"since"`
	Args        []string       `json:"args"`
}

// alive reports whether the very process that was started still runs.
func (r record) alive() bool {
	if r.PID <= 0 || r.Identity == "" {
		return false
	}
	// A child of ours that ended stays visible until it is reaped; of anybody
	// else's child the call knows nothing, which is no error here.
	_, _ = syscall.Wait4(r.PID, nil, syscall.WNOHANG, nil)
	now, ok := identity(r.PID)
	return ok && now == r.Identity
}

// identity names a process so that no later one has the same name: boot and start
// time where /proc tells them, else the start time of ps. False if it does not run.
func identity(pid int) (string, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		return linuxIdentity(stat)
	}
	if _, procErr := os.Stat("/proc/self/stat"); procErr == nil {
		return "", false
	}
	out, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output() //nolint:noctx // ps answers at once, and there is no context where a pid file is read
	started := strings.TrimSpace(string(out))
	return started, err == nil && started != ""
}

// linuxIdentity reads /proc/PID/stat: after the command, which may hold anything up
// to its last bracket, the state is field 3 and the start time field 22.
func linuxIdentity(stat []byte) (string, bool) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return "", false
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", false
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		boot = []byte("unknown")
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[19], true
}

func (s *Supervisor) pidPath(name string) string { return filepath.Join(s.run, name+".pid") }

// lookup reads a pid file; without one, or with one cut short by a power failure,
// the record is empty.
func (s *Supervisor) lookup(name string) (rec record, alive bool, err error) {
	data, err := os.ReadFile(s.pidPath(name))
	if errors.Is(err, os.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, fmt.Errorf("read the pid file of %s: %w", name, err)
	}
	if err := json.Unmarshal(data, &rec); err != nil {
		return record{}, false, nil
	}
	return rec, rec.alive(), nil
}

func (s *Supervisor) write(name string, rec record) error {
	data, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode the pid file: %w", err)
	}
	part := s.pidPath(name) + ".part"
	if err := os.WriteFile(part, data, 0o644); err != nil {
		return fmt.Errorf("write the pid file: %w", err)
	}
	if err := os.Rename(part, s.pidPath(name)); err != nil {
		return fmt.Errorf("write the pid file: %w", err)
	}
	return nil
}

// Status is what is known of one program that was started.
type Status struct {
	Name    string
	Running bool
	PID     int
	Since   time.Time
}

// List returns the status of every program that was started and not taken down,
// by name.
func (s *Supervisor) List() ([]Status, error) {
	paths, err := filepath.Glob(filepath.Join(s.run, "*.pid"))
	if err != nil {
		return nil, fmt.Errorf("list pid files: %w", err)
	}
	sort.Strings(paths)
	var all []Status
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".pid")
		rec, alive, err := s.lookup(name)
		if err != nil {
			return nil, err
		}
		all = append(all, Status{Name: name, Running: alive, PID: rec.PID, Since: rec.Since})
	}
	return all, nil
}
