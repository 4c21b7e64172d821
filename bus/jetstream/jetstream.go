// Package jetstream is the bus on NATS JetStream: a server inside the
// process, or an existing cluster with three copies.
//
// Soon more.
package jetstream

import (
	"context"
	"log/slog"

	"github.com/cordon-health/cordon/bus"
)

// Config says where the bus lives. The zero value of every field but Dir
// works.
type Config struct {
	// Dir is the folder of the embedded server. Required when URL is empty.
	Dir string `yaml:"dir"`
	// URL is the address of an existing NATS cluster with JetStream, as
	// nats://host:port, several separated by commas. Empty means embedded.
	URL string `yaml:"url"`
	// Credentials is a NATS .creds file for the cluster.
	Credentials string `yaml:"credentials"`
	// CA is a PEM file with the authority that signed the cluster's
	// certificates. Empty means the system's.
	CA string `yaml:"ca"`
	// Certificate and Key are PEM files of a client certificate.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// Replicas is the number of copies on a cluster, 1, 3 or 5. Default 3.
	Replicas int `yaml:"replicas"`
	// MaxBytes limits each topic, in bytes. When reached, Publish refuses;
	// nothing is dropped. 0 means no limit but the disk.
	MaxBytes int64 `yaml:"max_bytes"`
	// Reserve is how many bytes of the embedded server's disk stay free:
	// below it Publish refuses. Default 256 MiB.
	Reserve int64 `yaml:"reserve"`
}

// Bus is a bus.Bus on JetStream.
type Bus struct{}

var _ bus.Bus = (*Bus)(nil)

// Open starts the embedded server, or connects to the cluster.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Bus, error) { panic("soon") }

// Publish implements bus.Bus.
func (b *Bus) Publish(ctx context.Context, topic, id string, data []byte) (uint64, error) {
	panic("soon")
}

// Read implements bus.Bus.
func (b *Bus) Read(ctx context.Context, topic string, from uint64, fn func(bus.Message) error) error {
	panic("soon")
}

// Span implements bus.Bus.
func (b *Bus) Span(ctx context.Context, topic string) (first, last uint64, err error) {
	panic("soon")
}

// Trim implements bus.Bus.
func (b *Bus) Trim(ctx context.Context, topic string, before uint64) error { panic("soon") }

// Close implements bus.Bus.
func (b *Bus) Close() error { panic("soon") }
