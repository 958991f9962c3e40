package natsstore

import (
	"fmt"
	"net/url"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Config configures the store. It cannot change while the server runs.
type Config struct {
	// URL of an external NATS cluster with JetStream, as
	// "nats://a:4222,nats://b:4222"; empty for the store in this process.
	URL string `koanf:"url"`
	// Credentials is a file with a NATS user's credentials; empty for none.
	Credentials string `koanf:"credentials"`
	// TLS to the cluster.
	TLS TLSConfig `koanf:"tls"`
	// Replicas of everything stored in the cluster: 1, 3 or 5. Defaults to 1.
	Replicas int `koanf:"replicas"`
	// Bucket begins the names of what is stored, so that several installations can
	// share a cluster. Defaults to grym.
	Bucket string `koanf:"bucket"`

	// Dir of the store in this process. Defaults to jobs in the data folder.
	Dir string `koanf:"dir"`
	// SyncInterval is the time between two syncs to disk; with 0 every write is synced,
	// so that an accepted job survives a loss of power. Defaults to 0.
	SyncInterval time.Duration `koanf:"syncInterval"`
	// MaxBytes of the store in this process. Defaults to 10GB.
	MaxBytes services.Bytes `koanf:"maxBytes"`
	// Reserve is the disk space that is left free. Defaults to 64MiB.
	Reserve services.Bytes `koanf:"reserve"`
}

// TLSConfig names the files of a TLS connection; empty ones mean the system's.
type TLSConfig struct {
	CA          string `koanf:"ca"`
	Certificate string `koanf:"certificate"`
	Key         string `koanf:"key"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Replicas: 1, Bucket: "grym", MaxBytes: 10_000_000_000, Reserve: 64 * services.MiB}
}

// Validate returns an error for every invalid value, with its key.
func (c Config) Validate() []error {
	var errs []error
	if c.URL != "" {
		if _, err := url.Parse(c.URL); err != nil {
			errs = append(errs, fmt.Errorf("url: must be the address of a NATS server, as nats://host:4222"))
		}
	}
	if c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		errs = append(errs, fmt.Errorf("replicas: must be 1, 3 or 5, got %d", c.Replicas))
	}
	if c.URL == "" && c.Replicas != 1 {
		errs = append(errs, fmt.Errorf("replicas: must be 1 without jobs.url, got %d", c.Replicas))
	}
	if !validBucket.MatchString(c.Bucket) {
		errs = append(errs, fmt.Errorf("bucket: must be 1 to 32 letters, digits, - or _, got %q", c.Bucket))
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		errs = append(errs, fmt.Errorf("tls: certificate and key belong together"))
	}
	if c.SyncInterval < 0 || c.SyncInterval > 10*time.Minute {
		errs = append(errs, fmt.Errorf("syncInterval: must be 0 to 10m, got %s", c.SyncInterval))
	}
	if c.MaxBytes < 16*services.MiB {
		errs = append(errs, fmt.Errorf("maxBytes: must be at least 16MiB, got %s", c.MaxBytes))
	}
	if c.Reserve < 0 {
		errs = append(errs, fmt.Errorf("reserve: must not be negative, got %s", c.Reserve))
	}
	return errs
}
