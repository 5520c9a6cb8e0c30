// Package broker says how Kafka is reached: by which addresses, through TLS or not, as whom.
//
// cmd/freshet makes a Security of its settings, once, and gives it to everything that speaks to Kafka; ingest, the projectors
// and the progress tracker make their connection pools of it. No secret is in any text or error of this package.
package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Security is how connections are made. The zero value is plain TCP without a name.
type Security struct {
	TLS  *tls.Config
	SASL sasl.Mechanism
}

// Cluster is a Kafka: its bootstrap addresses, host:port, and how to connect.
type Cluster struct {
	Addresses []string
	Security
}

// Transport makes a connection pool. ttl is how old the picture of topics and leaders may be, 0 for kafka-go's 6 s: while it
// is wrong, requests go to a leader that is none any more.
func (s Security) Transport(clientID string, ttl time.Duration) *kafka.Transport {
	return &kafka.Transport{ClientID: clientID, MetadataTTL: ttl, DialTimeout: 5 * time.Second, TLS: s.TLS, SASL: s.SASL}
}

// Dialer makes the connections of a consumer group, which takes no pool.
func (s Security) Dialer(clientID string) *kafka.Dialer {
	return &kafka.Dialer{ClientID: clientID, Timeout: 5 * time.Second, DualStack: true, TLS: s.TLS, SASLMechanism: s.SASL}
}

// Client makes a client of the cluster on a pool.
func (c Cluster) Client(transport *kafka.Transport, timeout time.Duration) *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(c.Addresses...), Transport: transport, Timeout: timeout}
}

// Settings are a Security as an operator writes it down.
type Settings struct {
	// TLS asks for encryption; any of the four below does too.
	TLS bool
	// CAFile holds the certificates (PEM) that brokers' are checked against; empty means the system's.
	CAFile string
	// CertFile and KeyFile hold our own certificate and its key (PEM), for brokers that want one.
	CertFile, KeyFile string
	// ServerName is what the brokers' certificates must be for, where that is not the host in their address.
	ServerName string
	// Mechanism is plain, scram-sha-256 or scram-sha-512; empty is none. plain shows the password to whoever listens,
	// unless there is TLS.
	Mechanism string
	// User and Password go with Mechanism.
	User, Password string
}

// String leaves the password out.
func (s Settings) String() string {
	return fmt.Sprintf("tls %t, mechanism %q, user %q", s.wantsTLS(), s.Mechanism, s.User)
}

// GoString leaves the password out too.
func (s Settings) GoString() string { return s.String() }

func (s Settings) wantsTLS() bool {
	return s.TLS || s.CAFile != "" || s.CertFile != "" || s.KeyFile != "" || s.ServerName != ""
}

// Security reads the files and returns what they and the settings say, or every problem with them.
func (s Settings) Security() (Security, error) {
	tls, tlsErr := s.tls()
	mechanism, saslErr := s.mechanism()
	if err := errors.Join(tlsErr, saslErr); err != nil {
		return Security{}, err
	}
	return Security{TLS: tls, SASL: mechanism}, nil
}

func (s Settings) tls() (*tls.Config, error) {
	if !s.wantsTLS() {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.ServerName}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificate authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the certificate authorities: %s holds no certificate (PEM)", s.CAFile)
		}
	}
	if (s.CertFile == "") != (s.KeyFile == "") {
		return nil, errors.New("a client certificate needs both its file and its key's")
	}
	if s.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func (s Settings) mechanism() (sasl.Mechanism, error) {
	name := strings.ToLower(s.Mechanism)
	if name == "" {
		if s.User != "" || s.Password != "" {
			return nil, errors.New("a user or password without a mechanism: choose plain, scram-sha-256 or scram-sha-512")
		}
		return nil, nil
	}
	if s.User == "" || s.Password == "" {
		return nil, fmt.Errorf("mechanism %s needs a user and a password", name)
	}
	switch name {
	case "plain":
		return plain.Mechanism{Username: s.User, Password: s.Password}, nil
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, s.User, s.Password)
	case "scram-sha-512":
		return scram.Mechanism(scram.SHA512, s.User, s.Password)
	}
	return nil, fmt.Errorf("mechanism %q: want plain, scram-sha-256 or scram-sha-512", s.Mechanism)
}
