package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Port is a TCP port on the loopback interface and the setting that changes it.
type Port struct {
	Number  int
	Setting string
}

// CheckPorts answers an error for every port that is taken: which, by whom as far as
// the system tells, and how to choose another.
func CheckPorts(ctx context.Context, name string, ports []Port) error {
	var problems []error
	for _, port := range ports {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port.Number)))
		if errors.Is(err, syscall.EADDRINUSE) {
			problems = append(problems, portConflict(name, port, portOwner(port.Number)))
			continue
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("listen on port %d for %s: %w", port.Number, name, err))
			continue
		}
		if err := listener.Close(); err != nil {
			problems = append(problems, fmt.Errorf("close port %d: %w", port.Number, err))
		}
	}
	return errors.Join(problems...)
}

func portConflict(name string, port Port, owner string) error {
	if owner == "" {
		owner = "another program"
	}
	return fmt.Errorf("port %d, wanted for %s, is in use by %s: stop it, or choose another port with %s=…",
		port.Number, name, owner, port.Setting)
}

// portOwner names the listener on a port by /proc; empty where it can't be known.
func portOwner(port int) string {
	inode := ""
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		if inode = listenerInode(data, port); inode != "" {
			break
		}
	}
	if inode == "" {
		return ""
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		pid := strings.Split(link, "/")[2]
		program, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			return "pid " + pid
		}
		return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(program)), pid)
	}
	return "a program of another user"
}

// listenerInode finds the socket that listens (state 0A) on a port in the text of
// /proc/net/tcp: local address as HEX:HEX in column 2, inode in column 10.
func listenerInode(table []byte, port int) string {
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != "0A" {
			continue
		}
		_, hexPort, found := strings.Cut(fields[1], ":")
		number, err := hex.DecodeString(hexPort)
		if found && err == nil && len(number) == 2 && int(number[0])<<8|int(number[1]) == port {
			return fields[9]
		}
	}
	return ""
}
