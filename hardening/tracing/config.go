package tracing

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config of tracing. It cannot change while the server runs.
type Config struct {
	// Enabled sends traces to a receiver. Defaults to false.
	Enabled bool `koanf:"enabled"`
	// Endpoint of an OTLP receiver over HTTP; without a path, /v1/traces is added.
	// Defaults to http://127.0.0.1:4318.
	Endpoint string `koanf:"endpoint"`
	// Headers of each request to it, as "name=value"; their values are masked in
	// output. Defaults to none.
	Headers []string `koanf:"headers"`
	// SampleRatio is the fraction of the traces that is recorded, 0 to 1. A caller's
	// traceparent overrides it. Defaults to 1.
	SampleRatio float64 `koanf:"sampleRatio"`
	// Timeout of one request to the receiver. Defaults to 10s.
	Timeout time.Duration `koanf:"timeout"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{Endpoint: "http://127.0.0.1:4318", Headers: []string{}, SampleRatio: 1, Timeout: 10 * time.Second}
}

// Validate returns an error for every invalid value, with its key relative to this
// section.
func (c Config) Validate() []error {
	var errs []error
	if _, err := c.url(); err != nil {
		errs = append(errs, fmt.Errorf("endpoint: %w", err))
	}
	if _, err := c.headers(); err != nil {
		errs = append(errs, fmt.Errorf("headers: %w", err))
	}
	if !(c.SampleRatio >= 0 && c.SampleRatio <= 1) {
		errs = append(errs, fmt.Errorf("sampleRatio: must be 0 to 1, got %v", c.SampleRatio))
	}
	if c.Timeout < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("timeout: must be at least 100ms, got %s", c.Timeout))
	}
	return errs
}

// url returns the endpoint with its path.
func (c Config) url() (string, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("must be an address such as http://127.0.0.1:4318, got %q", c.Endpoint)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

// headers returns the headers by name. The error does not contain the value.
func (c Config) headers() (map[string]string, error) {
	headers := make(map[string]string, len(c.Headers))
	for i, header := range c.Headers {
		name, value, ok := strings.Cut(header, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("must be of the form name=value, number %d is not", i+1)
		}
		headers[name] = strings.TrimSpace(value)
	}
	return headers, nil
}
