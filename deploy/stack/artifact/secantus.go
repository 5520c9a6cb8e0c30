package artifact

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"freshet/deploy/stack/progress"
)

// The server that stands in for MongoDB where there is none: secantusd, which speaks
// MongoDB's wire protocol over WiredTiger. docs/adr/0007-mongodb-without-docker.md
// says what it lacks. It is GPL-2.0 and runs as a process of its own, never linked.
const (
	crateVersion = "0.5.3-beta.196"
	wheelVersion = "0.6.0b17"
	// crateCount is how many crates the build compiles, for the progress.
	crateCount = 210
	// minRust is the oldest cargo known to build it; distributions carry older ones.
	minRust = 85
)

// SecantusFromSource builds the server with cargo: minutes, once.
func SecantusFromSource() Artifact {
	return Artifact{
		Name: "secantus", Version: crateVersion, Tools: []Tool{gcc, cmake},
		build: func(ctx context.Context, dir, scratch string, task *progress.Task) error {
			cargo, err := findCargo(ctx)
			if err != nil {
				return err
			}
			task.Step("compiling, once", crateCount, "crates")
			cmd := exec.CommandContext(ctx, cargo, "install", "--locked", "--ignore-rust-version",
				"--version", crateVersion, "--root", dir, "--target-dir", filepath.Join(scratch, "target"), "secantus-mdb")
			// Without link-time optimisation the build takes half the time, and the
			// server is as fast within what can be measured.
			cmd.Env = append(os.Environ(), "CARGO_PROFILE_RELEASE_LTO=off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16")
			var compiled int64
			if err := run(cmd, func(line string) {
				if strings.Contains(line, "Compiling ") {
					compiled++
					task.Set(compiled)
				}
			}); err != nil {
				return err
			}
			return verifyCrate()
		},
	}
}

// HasCargo reports whether a cargo that can build the server is installed.
func HasCargo(ctx context.Context) bool {
	_, err := findCargo(ctx)
	return err == nil
}

var rustVersion = regexp.MustCompile(`^cargo 1\.(\d+)`)

func findCargo(ctx context.Context) (string, error) {
	candidates := []string{}
	if path, err := exec.LookPath("cargo"); err == nil {
		candidates = append(candidates, path)
	}
	candidates = append(candidates, filepath.Join(cargoHome(), "bin", "cargo"))
	for _, cargo := range candidates {
		out, err := exec.CommandContext(ctx, cargo, "--version").Output()
		if err == nil && rustRecent(string(out)) {
			return cargo, nil
		}
	}
	return "", fmt.Errorf("no cargo 1.%d or later", minRust)
}

func rustRecent(versionOutput string) bool {
	match := rustVersion.FindStringSubmatch(versionOutput)
	if match == nil {
		return false
	}
	minor, err := strconv.Atoi(match[1])
	return err == nil && minor >= minRust
}

func cargoHome() string {
	if home := os.Getenv("CARGO_HOME"); home != "" {
		return home
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".cargo")
}

// verifyCrate checks the source that was built; its Cargo.lock, which --locked holds
// cargo to, has the sums of everything below it.
func verifyCrate() error {
	pattern := filepath.Join(cargoHome(), "registry", "cache", "*", "secantus-mdb-"+crateVersion+".crate")
	crates, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	if len(crates) == 0 {
		return fmt.Errorf("the crate that was built is not at %s: its checksum can't be compared", pattern)
	}
	var problems []error
	for _, crate := range crates {
		problems = append(problems, verify(crate))
	}
	return errors.Join(problems...)
}

// SecantusFromWheel takes an older build of the same server out of a Python wheel;
// Python itself is only needed for the download.
func SecantusFromWheel() Artifact {
	return Artifact{
		Name: "secantus", Version: wheelVersion, Tools: []Tool{pip},
		build: func(ctx context.Context, dir, scratch string, task *progress.Task) error {
			arch, ok := map[string]string{"linux/amd64": "x86_64", "linux/arm64": "aarch64"}[platform()]
			if !ok {
				return fmt.Errorf("there is no wheel for %s: install cargo, put mongod on PATH, set FRESHET_MONGO_URL or start Docker", platform())
			}
			wheelPlatform := "manylinux_2_28_" + arch
			task.Step("downloading", 21, "MB")
			end := watchSize(ctx, scratch, task)
			defer end()
			// The Python version is fixed so that one file is downloaded everywhere.
			if err := run(exec.CommandContext(ctx, "python3", "-m", "pip", "download", "--quiet", "--no-deps",
				"--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.12",
				"--platform", wheelPlatform, "--dest", scratch, "SecantusDB=="+wheelVersion), nil); err != nil {
				return err
			}
			wheel := filepath.Join(scratch, fmt.Sprintf("secantusdb-%s-cp312-cp312-%s.whl", wheelVersion, wheelPlatform))
			if err := verify(wheel); err != nil {
				return err
			}
			if err := unzip(wheel, dir, secantusPath); err != nil {
				return err
			}
			return os.Chmod(filepath.Join(dir, "bin", "secantusd-rs"), 0o755)
		},
	}
}

// secantusPath puts the program where cargo would, and its library where the program
// looks for it: beside its own directory.
func secantusPath(name string) (string, bool) {
	switch {
	case name == "secantusdb.scripts/secantusd-rs":
		return "bin/secantusd-rs", true
	case strings.HasPrefix(name, "secantusdb.libs/"):
		return name, true
	default:
		return "", false
	}
}
