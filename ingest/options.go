package ingest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The majors since which the server takes an option.
const (
	versionStreaming = 14
	versionOrigin    = 16
)

// options are the pgoutput options of this configuration on this server.
func (s *session) options() (string, error) {
	major, err := majorVersion(s.control.PgConn())
	if err != nil {
		return "", err
	}
	config := s.config
	if s.unstreamed {
		config.Streaming = "off"
	}
	return pluginOptions(&config, major)
}

// pluginOptions are what pgoutput is asked for. Logical messages always are: were they sometimes left out, the positions in
// their transactions would depend on it.
func pluginOptions(c *Config, major int) (string, error) {
	options := fmt.Sprintf(`publication_names '%s', messages 'true'`, quoteLiteral(quoteName(c.Publication)))
	switch {
	case c.Streaming == "off":
		options = `proto_version '1', ` + options
	case major < versionStreaming:
		return "", &RefusedError{
			Reason: fmt.Sprintf("Postgres %d can't stream transactions that run", major), Repair: "set --streaming off, or upgrade",
		}
	default:
		options = `proto_version '2', streaming 'on', ` + options
	}
	if c.Origin == "any" {
		return options, nil
	}
	if major < versionOrigin {
		return "", &RefusedError{
			Reason: fmt.Sprintf("Postgres %d can't leave out changes by their origin", major), Repair: "set --origin any, or upgrade",
		}
	}
	return options + `, origin 'none'`, nil
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteLiteral(text string) string { return strings.ReplaceAll(text, `'`, `''`) }

// majorVersion is the server's, as it said when the connection was made.
func majorVersion(conn *pgconn.PgConn) (int, error) {
	text := conn.ParameterStatus("server_version")
	digits := text
	if i := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = text[:i]
	}
	major, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("server version %q: %w", text, err)
	}
	return major, nil
}
