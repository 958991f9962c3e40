package api

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
)

// Config is the configuration of the HTTP server. None of it can change while the server
// runs.
type Config struct {
	// Listen is the address as host:port; port 0 picks a free one. Defaults to
	// 127.0.0.1:8080.
	Listen string `koanf:"listen"`
	// Hosts are the public names of the server behind a reverse proxy, each optionally with
	// a port. If any is set, every address requires API keys. Defaults to none.
	Hosts []string `koanf:"hosts"`
	// TrustedProxies are the addresses and networks whose X-Forwarded-For, -Proto and
	// -Host, or Forwarded, headers are trusted. If any is set, every address requires API
	// keys. Defaults to none.
	TrustedProxies []string `koanf:"trustedProxies"`
	// CORS is the section of the same name.
	CORS CORSConfig `koanf:"cors"`
	// AudioURL is the section of the same name.
	AudioURL AudioURLConfig `koanf:"audioURL"`
	// MaxUpload limits the body of a request. Defaults to 256MiB.
	MaxUpload services.Bytes `koanf:"maxUpload"`
	// HeaderTimeout limits the time for a request's header, UploadTimeout that for its
	// body. They default to 10s and 5m.
	HeaderTimeout time.Duration `koanf:"headerTimeout"`
	UploadTimeout time.Duration `koanf:"uploadTimeout"`
	// MinUploadRate is the number of bytes per second below which a body is cut off.
	// Defaults to 1KiB.
	MinUploadRate services.Bytes `koanf:"minUploadRate"`
	// WriteTimeout limits the time for the client to accept each piece of a response, of at
	// most 32 KiB. Defaults to 30s.
	WriteTimeout time.Duration `koanf:"writeTimeout"`
	// ShutdownDelay is the time between the readiness probe failing and the listener
	// closing, so that load balancers notice. Defaults to 0.
	ShutdownDelay time.Duration `koanf:"shutdownDelay"`
	// DrainTimeout is the time for requests in progress when the server stops; what takes
	// longer is cancelled. Defaults to 30s.
	DrainTimeout time.Duration `koanf:"drainTimeout"`
}

// AudioURLConfig is the configuration of recordings that requests name by their addresses.
type AudioURLConfig struct {
	// Hosts are the hosts from which recordings may be fetched, each optionally with a port.
	// Defaults to none.
	Hosts []string `koanf:"hosts"`
	// AllowPrivate allows hosts in private networks. Defaults to false.
	AllowPrivate bool `koanf:"allowPrivate"`
	// Timeout limits the time of one recording. Defaults to 30s.
	Timeout time.Duration `koanf:"timeout"`
}

// remote returns what may be fetched, nil if nothing may.
func (c AudioURLConfig) remote() (*web.Remote, error) {
	if len(c.Hosts) == 0 {
		return nil, nil
	}
	sources, bad := access.ParseHosts(c.Hosts)
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("hosts of recordings: %w", err)
	}
	return &web.Remote{Has: sources.Has, AllowPrivate: c.AllowPrivate, Timeout: c.Timeout}, nil
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:8080", Hosts: []string{}, TrustedProxies: []string{},
		CORS: CORSConfig{Origins: []string{}}, AudioURL: AudioURLConfig{Hosts: []string{}, Timeout: 30 * time.Second},
		MaxUpload:     256 * services.MiB,
		HeaderTimeout: 10 * time.Second, UploadTimeout: 5 * time.Minute, DrainTimeout: 30 * time.Second,
		MinUploadRate: services.KiB, WriteTimeout: 30 * time.Second,
	}
}

// Validate returns an error for each invalid value, with its key relative to this section.
func (c Config) Validate() []error {
	var errs []error
	if _, err := net.ResolveTCPAddr("tcp", c.Listen); err != nil || c.Listen == "" {
		errs = append(errs, fmt.Errorf("listen: must be host:port, got %q", c.Listen))
	}
	_, bad := access.ParseHosts(c.Hosts)
	for _, err := range bad {
		errs = append(errs, fmt.Errorf("hosts: %w", err))
	}
	_, bad = access.ParseProxies(c.TrustedProxies)
	for _, err := range bad {
		errs = append(errs, fmt.Errorf("trustedProxies: %w", err))
	}
	errs = append(errs, c.CORS.validate()...)
	_, bad = access.ParseHosts(c.AudioURL.Hosts)
	for _, err := range bad {
		errs = append(errs, fmt.Errorf("audioURL.hosts: %w", err))
	}
	if c.MaxUpload < 1 {
		errs = append(errs, fmt.Errorf("maxUpload: must be above zero, got %s", c.MaxUpload))
	}
	for key, d := range map[string]time.Duration{"headerTimeout": c.HeaderTimeout, "uploadTimeout": c.UploadTimeout,
		"writeTimeout": c.WriteTimeout, "audioURL.timeout": c.AudioURL.Timeout, "drainTimeout": c.DrainTimeout} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s: must be above zero, got %s", key, d))
		}
	}
	if c.MinUploadRate < 1 {
		errs = append(errs, fmt.Errorf("minUploadRate: must be above zero, got %s", c.MinUploadRate))
	}
	if c.ShutdownDelay < 0 {
		errs = append(errs, fmt.Errorf("shutdownDelay: must not be negative, got %s", c.ShutdownDelay))
	}
	return errs
}

// Proxied reports whether a reverse proxy is configured, so that requests from loopback are
// not necessarily those of this machine's users.
func (c Config) Proxied() bool { return len(c.Hosts)+len(c.TrustedProxies) > 0 }

// limits returns the limits of a request's body.
func (c Config) limits() web.Limits {
	return web.Limits{MaxUpload: c.MaxUpload, HeaderTimeout: c.HeaderTimeout, UploadTimeout: c.UploadTimeout, MinUploadRate: c.MinUploadRate}
}

// onLoopback reports whether the server listens on the loopback interface only.
func (c Config) onLoopback() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err == nil && access.IsLoopback(host)
}
