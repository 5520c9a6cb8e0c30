package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	envPrefix = "FRESHET_"
	// testPrefix marks the variables of the test run, which are not settings.
	testPrefix = "FRESHET_TEST_"
	// processVariable marks the launcher's processes; see package process.
	processVariable = "FRESHET_PROCESS"
)

// variable returns the environment variable of a flag.
func variable(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the command's flags that were not given from the environment,
// and returns every problem: values that don't parse, and FRESHET_ variables that no
// command knows, with the nearest one that exists.
func fromEnvironment(cmd *cobra.Command, env map[string]string) []error {
	var problems []error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		value := env[variable(flag.Name)]
		if value == "" || flag.Changed {
			return
		}
		if err := cmd.Flags().Set(flag.Name, value); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", variable(flag.Name), err))
			// Half set, it would be reported a second time by validate.
			_ = flag.Value.Set(flag.DefValue)
		}
	})
	known := knownVariables(cmd.Root())
	for name := range env {
		if !strings.HasPrefix(name, envPrefix) || strings.HasPrefix(name, testPrefix) || name == processVariable {
			continue
		}
		if !known[name] {
			problems = append(problems, fmt.Errorf("%s is not a setting; did you mean %s?", name, nearest(name, known)))
		}
	}
	sort.Slice(problems, func(i, j int) bool { return problems[i].Error() < problems[j].Error() })
	return problems
}

// knownVariables are those of every command: one environment serves them all.
func knownVariables(root *cobra.Command) map[string]bool {
	known := map[string]bool{}
	visitFlags(root, func(flag *pflag.Flag) { known[variable(flag.Name)] = true })
	return known
}

func visitFlags(cmd *cobra.Command, visit func(*pflag.Flag)) {
	cmd.PersistentFlags().VisitAll(visit)
	cmd.LocalNonPersistentFlags().VisitAll(visit)
	for _, child := range cmd.Commands() {
		visitFlags(child, visit)
	}
}

// describeEnvironment adds each flag's variable to its help.
func describeEnvironment(root *cobra.Command) {
	visitFlags(root, func(flag *pflag.Flag) {
		if name := variable(flag.Name); flag.Name != "help" && !strings.Contains(flag.Usage, name) {
			flag.Usage += " [" + name + "]"
		}
	})
}

// nearest returns the known name with the smallest edit distance.
func nearest(name string, known map[string]bool) string {
	best, distance := "", len(name)+1
	for candidate := range known {
		d := editDistance(name, candidate)
		if d < distance || d == distance && candidate < best {
			best, distance = candidate, d
		}
	}
	return best
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
