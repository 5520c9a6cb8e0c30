package artifact

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ulikunitz/xz"
)

// unzip writes the files of an archive for which place returns a path, below dir.
// All become readable to everybody, since another user may run them.
func unzip(archive, dir string, place func(name string) (path string, wanted bool)) (err error) {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("open %s: %w", archive, err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for _, file := range reader.File {
		path, wanted := place(file.Name)
		if !wanted || strings.HasSuffix(file.Name, "/") {
			continue
		}
		if err := unzipFile(file, dir, path); err != nil {
			return fmt.Errorf("unpack %s: %w", file.Name, err)
		}
	}
	return nil
}

func unzipFile(file *zip.File, dir, path string) (err error) {
	content, err := file.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	return writeFile(dir, path, 0o644|file.Mode()&0o111, content)
}

// untarXZ writes all of a .txz below dir.
func untarXZ(archive, dir string) (err error) {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	plain, err := xz.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return fmt.Errorf("open %s: %w", archive, err)
	}
	entries := tar.NewReader(plain)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", archive, err)
		}
		if err := untarEntry(header, dir, entries); err != nil {
			return fmt.Errorf("unpack %s: %w", header.Name, err)
		}
	}
}

func untarEntry(header *tar.Header, dir string, content io.Reader) error {
	path := filepath.Clean(header.Name)
	switch header.Typeflag {
	case tar.TypeReg:
		return writeFile(dir, path, 0o644|os.FileMode(header.Mode)&0o111, content)
	case tar.TypeSymlink:
		if !filepath.IsLocal(path) || !filepath.IsLocal(filepath.Join(filepath.Dir(path), header.Linkname)) {
			return errors.New("the link leads out of the archive")
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o755); err != nil {
			return err
		}
		return os.Symlink(header.Linkname, filepath.Join(dir, path))
	default:
		return nil // directories are made with their files
	}
}

func writeFile(dir, path string, mode os.FileMode, content io.Reader) (err error) {
	if !filepath.IsLocal(path) {
		return errors.New("the path leads out of the archive")
	}
	target := filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, content)
	return err
}
