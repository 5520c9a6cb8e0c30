package artifact

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"freshet/deploy/stack/progress"
)

// dependencyPlugin is pinned, since Maven takes the latest by itself.
const dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:"

// coordinates name one file of a Maven repository.
type coordinates struct {
	group, artifact, version, extension string
}

// path is where the file lies in any Maven repository.
func (c coordinates) path() string {
	return filepath.Join(strings.ReplaceAll(c.group, ".", "/"), c.artifact, c.version,
		c.artifact+"-"+c.version+"."+c.extension)
}

// mavenGet returns the path of a verified file. A copy in the user's own repository
// is used if there is one; a download goes to a repository in scratch, which goes
// away with it, since two Mavens at once may not share one and since nobody wants
// a gigabyte to stay behind.
func mavenGet(ctx context.Context, c coordinates, megabytes int64, scratch string, task *progress.Task) (string, error) {
	if home, err := os.UserHomeDir(); err == nil {
		own := filepath.Join(home, ".m2", "repository", c.path())
		if _, err := os.Stat(own); err == nil && verify(own) == nil {
			return own, nil
		}
	}
	task.Step("downloading", megabytes, "MB")
	end := watchSize(ctx, scratch, task)
	defer end()
	repository := filepath.Join(scratch, "repository")
	cmd := maven3(ctx, repository, dependencyPlugin+"get", "-Dtransitive=false",
		fmt.Sprintf("-Dartifact=%s:%s:%s:%s", c.group, c.artifact, c.version, c.extension))
	if err := run(cmd, nil); err != nil {
		return "", err
	}
	file := filepath.Join(repository, c.path())
	return file, verify(file)
}

func maven3(ctx context.Context, repository string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "mvn", append([]string{"-B", "-ntp", "-Dmaven.repo.local=" + repository}, args...)...)
}
