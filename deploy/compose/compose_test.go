package compose_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"freshet/deploy/compose"
)

// load reads the file as Docker Compose does: by its schema, with interpolation.
func load(t *testing.T, environment types.Mapping) *types.Project {
	t.Helper()
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  ".",
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: compose.File}},
		Environment: environment,
	}, func(o *loader.Options) { o.SetProjectName("freshet", true) }, loader.WithProfiles([]string{"app"}))
	if err != nil {
		t.Fatalf("load compose.yaml: %v", err)
	}
	return project
}

func TestFileIsValid(t *testing.T) {
	project := load(t, nil)
	var names []string
	for name := range project.Services {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"admin", "audit", "elasticsearch", "ingest", "kafka", "keys", "migrate", "mongo", "postgres", "project", "read", "sandbox", "seed", "write"}
	if !slices.Equal(names, want) {
		t.Errorf("services %v, want %v", names, want)
	}
	if err := project.CheckContainerNameUnicity(); err != nil {
		t.Error(err)
	}
}

func TestServersKeepTheirDataAndAreChecked(t *testing.T) {
	project := load(t, nil)
	for _, name := range []string{"postgres", "kafka", "mongo", "elasticsearch"} {
		service := project.Services[name]
		if len(service.Volumes) != 1 || service.Volumes[0].Type != types.VolumeTypeVolume {
			t.Errorf("%s: volumes %v, want one that is named", name, service.Volumes)
		}
		if service.HealthCheck == nil || len(service.HealthCheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
		if service.StopGracePeriod == nil {
			t.Errorf("%s has no grace period: it would be killed after 10 s", name)
		}
		if _, tag, found := strings.Cut(service.Image, ":"); !found || tag == "latest" {
			t.Errorf("%s: image %q has no version", name, service.Image)
		}
		if len(service.Profiles) > 0 {
			t.Errorf("%s is in the profiles %v: the servers are always started", name, service.Profiles)
		}
	}
}

// TestNothingIsPublishedToTheNetwork matters, since none of the servers has a password.
func TestNothingIsPublishedToTheNetwork(t *testing.T) {
	for name, service := range load(t, nil).Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %s on %q", name, port.Published, port.HostIP)
			}
		}
	}
}

func TestPortsFollowTheSettings(t *testing.T) {
	project := load(t, types.Mapping{"FRESHET_KAFKA_PORT": "1234"})
	kafka := project.Services["kafka"]
	if kafka.Ports[0].Published != "1234" {
		t.Errorf("published as %s", kafka.Ports[0].Published)
	}
	advertised := kafka.Environment["KAFKA_ADVERTISED_LISTENERS"]
	if advertised == nil || !strings.Contains(*advertised, "HOST://127.0.0.1:1234") {
		t.Error("the broker tells clients another port than the published one")
	}
}

func TestOurImageIsBuiltHere(t *testing.T) {
	project := load(t, nil)
	for _, name := range []string{"migrate", "seed", "ingest", "project", "read", "write", "admin", "audit", "keys", "sandbox"} {
		service := project.Services[name]
		if service.Build == nil || service.Build.Dockerfile != "deploy/compose/Dockerfile" {
			t.Fatalf("%s is not built from our Dockerfile", name)
		}
		for dependency := range service.DependsOn {
			if _, exists := project.Services[dependency]; !exists {
				t.Errorf("%s depends on %s, which is not there", name, dependency)
			}
		}
	}
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(dockerfile), "\nFROM ") != 2 || !strings.Contains(string(dockerfile), "USER 65532") {
		t.Error("want a build stage and a final stage that is not root")
	}
}

// TestAShopCanBePaid has the checkout of the containers work: without keys or a provider it answers 503.
func TestAShopCanBePaid(t *testing.T) {
	project := load(t, types.Mapping{"FRESHET_PAYMENT_TOKEN": "token", "FRESHET_PAYMENT_SECRETS": "secret"})
	for name, settings := range map[string][]string{
		"read":    {"FRESHET_ACCOUNT_KEYS"},
		"write":   {"FRESHET_ACCOUNT_KEYS", "FRESHET_ACCOUNT_SIGNING_KEY", "FRESHET_PAYMENT_URL", "FRESHET_PAYMENT_TOKEN", "FRESHET_PAYMENT_SECRETS"},
		"sandbox": {"FRESHET_SANDBOX_WEBHOOK", "FRESHET_PAYMENT_TOKEN", "FRESHET_PAYMENT_SECRETS"},
	} {
		for _, setting := range settings {
			if value := project.Services[name].Environment[setting]; value == nil || *value == "" {
				t.Errorf("%s has no %s", name, setting)
			}
		}
	}
	var keys []string
	for _, name := range []string{"keys", "read", "write"} {
		for _, volume := range project.Services[name].Volumes {
			keys = append(keys, volume.Source+volume.Target)
		}
	}
	if slices.Sort(keys); len(keys) != 3 || len(slices.Compact(keys)) != 1 {
		t.Errorf("the keys of accounts are in %v, want one volume at one place", keys)
	}
}
