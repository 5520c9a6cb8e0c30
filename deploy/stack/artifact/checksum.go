package artifact

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// sums holds every file that is downloaded and then run, as sha256sum prints them.
//
//go:embed checksums.txt
var sums []byte

// kafkaSums holds Kafka's jars: all of them, since any one of them is code.
//
//go:embed kafka.txt
var kafkaSums []byte

// parseSums reads the output of sha256sum into sums by file name.
func parseSums(text []byte) map[string]string {
	byName := make(map[string]string)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) == 2 && !strings.HasPrefix(fields[0], "#") {
			byName[fields[1]] = fields[0]
		}
	}
	return byName
}

// verify compares a file with the sum kept for its name.
func verify(path string) error {
	return compare(path, parseSums(sums))
}

// verifyAll compares every file in dir; one too many is as wrong as one that is missing.
func verifyAll(dir string, want map[string]string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var problems []error
	for _, entry := range entries {
		problems = append(problems, compare(filepath.Join(dir, entry.Name()), want))
	}
	if len(entries) != len(want) {
		problems = append(problems, fmt.Errorf("%s holds %d files, want %d", dir, len(entries), len(want)))
	}
	return errors.Join(problems...)
}

func compare(path string, want map[string]string) error {
	expected, known := want[filepath.Base(path)]
	if !known {
		return fmt.Errorf("%s: no checksum is kept for this file", filepath.Base(path))
	}
	actual, err := fileSum(path)
	if err != nil {
		return fmt.Errorf("checksum: %w", err)
	}
	if actual != expected {
		return fmt.Errorf("%s: the checksum is %s, want %s: the download is damaged or not what was pinned",
			filepath.Base(path), actual, expected)
	}
	return nil
}

func fileSum(path string) (sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
