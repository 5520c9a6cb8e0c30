// Package compose holds the Docker Compose file of the stack: the four servers from
// their official images and, in the profile "app", Freshet's own processes from the
// Dockerfile beside it. The launcher writes File out and runs it where a Docker
// engine works; it is plain Compose and runs without the launcher too.
package compose

import _ "embed"

// File is compose.yaml.
//
//go:embed compose.yaml
var File []byte
