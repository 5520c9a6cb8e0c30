package bench

import (
	"os"
	"runtime"
	"strings"
)

// Machine says where a figure was measured, and with which Freshet.
type Machine struct {
	Cores   int    `json:"cores"`
	CPU     string `json:"cpu"`
	Memory  string `json:"memory"`
	OS      string `json:"os"`
	Go      string `json:"go"`
	Version string `json:"version"` // of Freshet; a build by make says the commit
	Load    string `json:"load"`    // average of the last minute when the run began: much of it, and the figures are somebody else's
	// MissNS is what a load that finds nothing in the caches took when the run began, in nanoseconds.
	MissNS float64 `json:"miss_ns"`
}

func machine(version string) Machine {
	return Machine{
		Cores: runtime.NumCPU(), CPU: field("/proc/cpuinfo", "model name"), Memory: field("/proc/meminfo", "MemTotal"),
		OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Version: version, Load: load1(),
		MissNS: loadFromMemory(),
	}
}

const unknown = "unknown"

// field reads one "name : value" line of a proc file; "unknown" where there is none.
func field(path, name string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(raw)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return unknown
}

func load1() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return unknown
	}
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}
