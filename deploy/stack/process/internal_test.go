package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLinuxIdentity(t *testing.T) {
	const rest = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	for name, c := range map[string]struct {
		stat  string
		start string
		ok    bool
	}{
		"plain":             {"12 (sh) S" + rest, "4711", true},
		"brackets in name":  {"12 (a) b) S) R" + rest, "4711", true},
		"zombie":            {"12 (sh) Z" + rest, "", false},
		"cut short":         {"12 (sh) S 1 2", "", false},
		"no name":           {"12 sh S", "", false},
		"empty":             {"", "", false},
		"newline in name":   {"12 (a\nb) S" + rest, "4711", true},
		"dead, not reaped":  {"12 (sh) X" + rest, "", false},
		"stopped by signal": {"12 (sh) T" + rest, "4711", true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := linuxIdentity([]byte(c.stat))
			if ok != c.ok || ok && !strings.HasSuffix(got, "/"+c.start) {
				t.Errorf("got %q, %t; want …/%s, %t", got, ok, c.start, c.ok)
			}
		})
	}
}

func TestListenerInode(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1539 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 111 1 0
   1: 0100007F:23F1 0100007F:1539 01 00000000:00000000 00:00000000 00000000   999        0 222 1 0
   2: broken
`
	for port, want := range map[int]string{0x1539: "111", 0x23F1: "", 80: ""} {
		if got := listenerInode([]byte(table), port); got != want {
			t.Errorf("port %d: inode %q, want %q", port, got, want)
		}
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for name, c := range map[string]struct {
		content string
		n       int
		want    string
	}{
		"empty":          {"", 5, ""},
		"fewer":          {"a\nb\n", 5, "a|b"},
		"more":           {"a\nb\nc\n", 2, "b|c"},
		"no last return": {"a\nb", 1, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			lines, err := Tail(path, c.n)
			if err != nil || strings.Join(lines, "|") != c.want {
				t.Errorf("got %q, %v; want %q", lines, err, c.want)
			}
		})
	}
}

func TestReachNamesTheClosedDirectory(t *testing.T) {
	dir := t.TempDir()
	closed := filepath.Join(dir, "closed")
	if err := os.MkdirAll(filepath.Join(closed, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	stranger := &Account{Name: "stranger", UID: 4_000_000, GID: 4_000_000}
	err := stranger.Reach(filepath.Join(closed, "data"))
	if err == nil || !strings.HasPrefix(err.Error(), closed+" is closed to the user stranger") {
		t.Errorf("got %v", err)
	}
	var caller *Account
	if err := caller.Reach(filepath.Join(closed, "data")); err != nil {
		t.Errorf("the caller: %v", err)
	}
}
