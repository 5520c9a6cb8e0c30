// Package openapi holds the OpenAPI description of the three HTTP servers, so that each can serve the file and the tests
// can hold the routes and the answers against it.
package openapi

import _ "embed"

// YAML is the file as it is.
//
//go:embed openapi.yaml
var YAML []byte
