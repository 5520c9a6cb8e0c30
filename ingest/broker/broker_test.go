package broker_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"freshet/ingest/broker"
)

// authority signs certificates for the tests' brokers and clients.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.issue("ca", func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	return a
}

// issue writes name.pem and name.key and returns their pair. The first one signs itself and all later ones.
func (a *authority) issue(name string, adapt func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	adapt(template)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			a.t.Fatal(err)
		}
		a.key = key
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for file, content := range map[string][]byte{a.file(name + ".pem"): certPEM, a.file(name + ".key"): keyPEM} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// serverTLS is a broker's side: a certificate for kafka.internal, and clients that must show one where mutual.
func (a *authority) serverTLS(mutual bool) *tls.Config {
	pair := a.issue("broker", func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"kafka.internal"}, []net.IP{net.IPv4(127, 0, 0, 1)}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if mutual {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AddCert(a.cert)
	}
	return config
}

// ask produces and reads metadata: what a client of ours does first.
func ask(t *testing.T, cluster broker.Cluster) error {
	t.Helper()
	transport := cluster.Transport("test", 0)
	defer transport.CloseIdleConnections()
	client := cluster.Client(transport, 10*time.Second)
	answer, err := client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: "a", RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("v"))}),
	})
	if err == nil {
		err = answer.Error
	}
	return err
}

func TestSecurity(t *testing.T) {
	a := newAuthority(t)
	a.issue("client", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	ca := a.file("ca.pem")
	tests := map[string]struct {
		brokers  []kfake.Opt
		settings broker.Settings
		fails    bool
	}{
		"nothing":       {},
		"plain":         {sasl("PLAIN"), broker.Settings{Mechanism: "plain", User: "u", Password: "sesame"}, false},
		"scram 256":     {sasl("SCRAM-SHA-256"), broker.Settings{Mechanism: "SCRAM-SHA-256", User: "u", Password: "sesame"}, false},
		"scram 512":     {sasl("SCRAM-SHA-512"), broker.Settings{Mechanism: "scram-sha-512", User: "u", Password: "sesame"}, false},
		"wrong secret":  {sasl("SCRAM-SHA-512"), broker.Settings{Mechanism: "scram-sha-512", User: "u", Password: "sesamoid"}, true},
		"no name":       {sasl("PLAIN"), broker.Settings{}, true},
		"tls":           {[]kfake.Opt{kfake.TLS(a.serverTLS(false))}, broker.Settings{CAFile: ca}, false},
		"tls, unknown":  {[]kfake.Opt{kfake.TLS(a.serverTLS(false))}, broker.Settings{TLS: true}, true},
		"server name":   {[]kfake.Opt{kfake.TLS(a.serverTLS(false))}, broker.Settings{CAFile: ca, ServerName: "kafka.internal"}, false},
		"other name":    {[]kfake.Opt{kfake.TLS(a.serverTLS(false))}, broker.Settings{CAFile: ca, ServerName: "kafka.external"}, true},
		"mutual":        {[]kfake.Opt{kfake.TLS(a.serverTLS(true))}, broker.Settings{CAFile: ca, CertFile: a.file("client.pem"), KeyFile: a.file("client.key")}, false},
		"mutual, alone": {[]kfake.Opt{kfake.TLS(a.serverTLS(true))}, broker.Settings{CAFile: ca}, true},
		"both":          {append(sasl("SCRAM-SHA-512"), kfake.TLS(a.serverTLS(false))), broker.Settings{CAFile: ca, Mechanism: "scram-sha-512", User: "u", Password: "sesame"}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cluster, err := kfake.NewCluster(append(test.brokers, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Close)
			security, err := test.settings.Security()
			if err != nil {
				t.Fatal(err)
			}
			err = ask(t, broker.Cluster{Addresses: cluster.ListenAddrs(), Security: security})
			if (err != nil) != test.fails {
				t.Errorf("got %v", err)
			}
			if text := fmt.Sprintf("%v %+v %#v %v", test.settings, test.settings, test.settings, err); strings.Contains(text, "sesam") {
				t.Errorf("the password is in %s", text)
			}
		})
	}
}

func sasl(mechanism string) []kfake.Opt {
	return []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(mechanism, "u", "sesame")}
}

// TestSettingsProblems names what is wrong with settings, and never the password.
func TestSettingsProblems(t *testing.T) {
	a := newAuthority(t)
	empty := a.file("empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, settings := range map[string]broker.Settings{
		"want plain, scram-sha-256":   {Mechanism: "gssapi", User: "u", Password: "sesame"},
		"without a mechanism":         {Password: "sesame"},
		"needs a user and a password": {Mechanism: "plain", Password: "sesame"},
		"holds no certificate":        {CAFile: empty},
		"no such file":                {CAFile: a.file("absent.pem")},
		"both its file and its key's": {CertFile: a.file("ca.pem")},
		"read the client certificate": {CertFile: a.file("ca.pem"), KeyFile: empty},
	} {
		_, err := settings.Security()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
