package node

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	natsd "github.com/nats-io/nats-server/v2/server"
	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/internal/pgtest"
)

// TestHealingOnPostgres plays the story with records in PostgreSQL.
func TestHealingOnPostgres(t *testing.T) {
	s := newSite(t, t.TempDir(), func(c *config.Config) { c.Store = pgtest.Start(t) })
	tell(t, s).stop()
	s.verified(t)
}

// TestHealingElsewhere plays the story with delivery by a NATS server of its
// own and files in object storage.
func TestHealingElsewhere(t *testing.T) {
	nats := natsServer(t)
	bucket := objectStorage(t)
	s := newSite(t, t.TempDir(), func(c *config.Config) {
		decoded(t, &c.Bus, fmt.Sprintf("{url: %q, replicas: 1}", nats))
		decoded(t, &c.Blob, fmt.Sprintf("{endpoint: %q, bucket: cordon, region: us-east-1, access_key: test, secret_key: test, insecure: true}", bucket))
	})
	tell(t, s)
}

func decoded(t *testing.T, into *yaml.Node, text string) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	*into = *doc.Content[0]
}

func natsServer(t *testing.T) string {
	t.Helper()
	s, err := natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: natsd.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true, MaxPayload: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return s.ClientURL()
}

func objectStorage(t *testing.T) (endpoint string) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("cordon"); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}
