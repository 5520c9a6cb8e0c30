package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Account is the user a program runs as when the launcher itself is root: Postgres
// and Elasticsearch refuse to run as root, and the others have no need to.
type Account struct {
	Name     string
	UID, GID uint32
}

// accountName is the system user made for the servers where none exists.
const accountName = "freshet"

// Unprivileged returns nil when the caller is not root: programs then run as the
// caller. For root it returns the system user freshet, made on first use, or nobody
// where users can't be made.
func Unprivileged(ctx context.Context) (*Account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if account, err := lookupAccount(accountName); err == nil {
		return account, nil
	}
	if useradd, err := exec.LookPath("useradd"); err == nil {
		add := exec.CommandContext(ctx, useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", accountName)
		if out, err := add.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("add the system user %s: %w: %s", accountName, err, out)
		}
		return lookupAccount(accountName)
	}
	return lookupAccount("nobody")
}

func lookupAccount(name string) (*Account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, fmt.Errorf("read the ids of user %s: %w", name, err)
	}
	return &Account{Name: name, UID: uint32(uid), GID: uint32(gid)}, nil
}

func (a *Account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.UID, Gid: a.GID}
}

// Command returns a short-lived command that runs as the account.
func (a *Account) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	if a != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential()}
	}
	return cmd
}

// Own makes a directory, private to the account, and gives it and what it holds
// to the account.
func (a *Account) Own(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if a == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(a.UID), int(a.GID))
	})
}

// Reach checks that the account can enter dir; the error names the directory that
// is closed to it. /root, where root's caches are by custom, is the usual one.
func (a *Account) Reach(dir string) error {
	if a == nil {
		return nil
	}
	for path := dir; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err == nil && !a.mayEnter(info) {
			return fmt.Errorf("%s is closed to the user %s, which the servers run as: choose a directory elsewhere", path, a.Name)
		}
		if path == filepath.Dir(path) {
			return nil
		}
	}
}

func (a *Account) mayEnter(info os.FileInfo) bool {
	bit := os.FileMode(0o001)
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		switch {
		case stat.Uid == a.UID:
			bit = 0o100
		case stat.Gid == a.GID:
			bit = 0o010
		}
	}
	return info.Mode()&bit != 0
}
