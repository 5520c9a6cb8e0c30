package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Tool is a program of the machine that something here needs.
type Tool struct {
	// Name is what a person calls it.
	Name string
	// present reports whether it is installed.
	present func(ctx context.Context) bool
	// packages are its names by package manager; of several the first that the
	// manager knows is taken.
	packages map[string][]string
}

// The tools of the servers.
var (
	Java = Tool{
		Name:    "Java 17 or later",
		present: func(ctx context.Context) bool { _, err := JavaHome(ctx); return err == nil },
		packages: map[string][]string{
			"apt-get": {"openjdk-17-jre-headless", "openjdk-21-jre-headless", "openjdk-25-jre-headless"},
			"dnf":     {"java-17-openjdk-headless", "java-21-openjdk-headless", "java-latest-openjdk-headless"},
			"brew":    {"openjdk@21"},
		},
	}
	maven = Tool{Name: "Maven", present: onPath("mvn"), packages: samePackage("maven")}
	cmake = Tool{Name: "CMake", present: onPath("cmake"), packages: samePackage("cmake")}
	gcc   = Tool{
		Name: "a C compiler", present: onPath("cc"),
		packages: map[string][]string{"apt-get": {"build-essential"}, "dnf": {"gcc-c++"}, "brew": {"gcc"}},
	}
	pip = Tool{
		Name: "pip",
		present: func(ctx context.Context) bool {
			return exec.CommandContext(ctx, "python3", "-m", "pip", "--version").Run() == nil
		},
		packages: map[string][]string{"apt-get": {"python3-pip"}, "dnf": {"python3-pip"}, "brew": {"python"}},
	}
)

func onPath(program string) func(context.Context) bool {
	return func(context.Context) bool { _, err := exec.LookPath(program); return err == nil }
}

func samePackage(name string) map[string][]string {
	return map[string][]string{"apt-get": {name}, "dnf": {name}, "brew": {name}}
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// JavaHome returns the home of a Java 17 or later: JAVA_HOME's, else the one on PATH.
func JavaHome(ctx context.Context) (string, error) {
	candidates := []string{}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, "bin", "java"))
	}
	if java, err := exec.LookPath("java"); err == nil {
		candidates = append(candidates, java)
	}
	for _, java := range candidates {
		out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
		if err != nil || !javaRecent(string(out)) {
			continue
		}
		// The program on PATH is a link, by way of the system's alternatives.
		real, err := filepath.EvalSymlinks(java)
		if err != nil {
			return "", fmt.Errorf("find Java's home: %w", err)
		}
		return filepath.Dir(filepath.Dir(real)), nil
	}
	return "", errors.New("no Java 17 or later, neither in JAVA_HOME nor on PATH")
}

func javaRecent(versionOutput string) bool {
	match := javaVersion.FindStringSubmatch(versionOutput)
	if match == nil {
		return false
	}
	major, err := strconv.Atoi(match[1])
	return err == nil && major >= 17
}

// Missing returns those of the tools that are not installed, each once.
func Missing(ctx context.Context, tools []Tool) []Tool {
	var missing []Tool
	for _, tool := range tools {
		named := func(other Tool) bool { return other.Name == tool.Name }
		if !slices.ContainsFunc(missing, named) && !tool.present(ctx) {
			missing = append(missing, tool)
		}
	}
	return missing
}

// Provide installs the missing tools with the system's package manager where the
// caller may; else the error holds the command to run.
func Provide(ctx context.Context, missing []Tool, out io.Writer) error {
	if len(missing) == 0 {
		return nil
	}
	manager := packageManager()
	names := toolNames(missing)
	if manager == "" {
		return fmt.Errorf("missing: %s; no apt-get, dnf or brew was found to install them with: install them by hand", names)
	}
	packages := packagesOf(ctx, manager, missing)
	command := manager + " install -y " + strings.Join(packages, " ")
	if manager == "brew" {
		command = "brew install " + strings.Join(packages, " ")
	}
	if manager != "brew" && os.Geteuid() != 0 {
		return fmt.Errorf("missing: %s; run: sudo %s", names, command)
	}
	if _, err := fmt.Fprintf(out, "installing %s: %s\n", names, command); err != nil {
		return err
	}
	words := strings.Fields(command)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w%s", command, err, lastLines(output))
	}
	if still := Missing(ctx, missing); len(still) > 0 {
		return fmt.Errorf("still missing after %q: %s", command, toolNames(still))
	}
	return nil
}

func toolNames(tools []Tool) string {
	names := make([]string, 0, len(tools))
	for _, tool := range tools {
		names = append(names, tool.Name)
	}
	return strings.Join(names, ", ")
}

func packageManager() string {
	for _, manager := range []string{"apt-get", "dnf", "brew"} {
		if _, err := exec.LookPath(manager); err == nil {
			return manager
		}
	}
	return ""
}

// packagesOf chooses the packages; apt's lists are fetched first when they are
// missing, as on a fresh container image.
func packagesOf(ctx context.Context, manager string, tools []Tool) []string {
	known := func(string) bool { return true }
	if manager == "apt-get" {
		known = func(name string) bool { return aptKnows(ctx, name) }
		if !known("maven") && os.Geteuid() == 0 {
			// A failure shows itself in the installation that follows.
			_ = exec.CommandContext(ctx, "apt-get", "update").Run()
		}
	}
	var packages []string
	for _, tool := range tools {
		names := tool.packages[manager]
		i := max(0, slices.IndexFunc(names, known))
		packages = append(packages, names[i])
	}
	return packages
}

func aptKnows(ctx context.Context, name string) bool {
	out, err := exec.CommandContext(ctx, "apt-cache", "policy", name).Output()
	return err == nil && strings.Contains(string(out), "Candidate:") && !strings.Contains(string(out), "Candidate: (none)")
}
