package artifact

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"freshet/deploy/stack/progress"
)

// schemathesisVersion is that of schemathesis.txt, which has it and what it needs with the sums of their files.
const schemathesisVersion = "4.32.5"

//go:embed schemathesis.txt
var schemathesisRequirements []byte

// Schemathesis makes requests from an OpenAPI file, right and wrong ones; the tests have it look for answers that no
// server should give. It is a Python program, run as Python runs a directory of modules: see SchemathesisCommand.
func Schemathesis() Artifact {
	return Artifact{
		Name: "schemathesis", Version: schemathesisVersion, Tools: []Tool{pip},
		build: func(ctx context.Context, dir, scratch string, task *progress.Task) error {
			task.Step("downloading", 15, "MB")
			end := watchSize(ctx, dir, task)
			defer end()
			list := filepath.Join(scratch, "requirements.txt")
			if err := os.WriteFile(list, schemathesisRequirements, 0o644); err != nil {
				return fmt.Errorf("write the list of packages: %w", err)
			}
			// A directory of modules, not an environment: that would know its path and could not be put in place by a rename.
			return run(exec.CommandContext(ctx, "python3", "-m", "pip", "install", "--quiet", "--require-hashes",
				"--only-binary", ":all:", "--no-compile", "--target", dir, "--requirement", list), nil)
		},
	}
}

// SchemathesisCommand runs the program that Install has put into dir.
func SchemathesisCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "python3", append([]string{"-m", "schemathesis.cli"}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+dir, "PYTHONDONTWRITEBYTECODE=1")
	return cmd
}
