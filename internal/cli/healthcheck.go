package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthcheckTimeout is less than the 6 s of the Dockerfile's HEALTHCHECK.
const healthcheckTimeout = 5 * time.Second

func (e *environment) healthcheckCommand() *cobra.Command {
	var remote remoteFlags
	c := &cobra.Command{
		Use:   "healthcheck [flags]",
		Short: "Exit with 0 if the server is ready",
		Long: `Exit with 0 if the server is ready, and otherwise with 1 and the reasons. The
server is the one at the configured address, or at --server. This is meant for
a container's HEALTHCHECK, where there is no curl.`,
		Example: `  grym-synth healthcheck
  grym-synth healthcheck --listen 127.0.0.1:9000
  grym-synth healthcheck --server https://audio.example.org`,
		Args: none, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := remote.server(e.Program)
			if err != nil {
				return err
			}
			if server == nil {
				listen, err := e.Listen(e.settings)
				if err != nil {
					return err
				}
				if server, err = localServer(listen); err != nil {
					return err
				}
			}
			return server.ready(c.Context())
		},
	}
	remote.bind(c)
	return c
}

// localServer returns the client of the server on this machine with a listen address.
func localServer(listen string) (*server, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("api.listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	s, err := newServer("http://"+net.JoinHostPort(host, port), "")
	if err != nil {
		return nil, err
	}
	s.client.Transport = &http.Transport{Proxy: nil} // the server is on this machine
	return s, nil
}

// ready returns nil if the server is ready, and otherwise an error with the reasons.
func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	defer s.client.CloseIdleConnections()
	request, err := s.request(ctx, http.MethodGet, "readyz", nil)
	if err != nil {
		return err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("not reachable: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	var readiness struct {
		Reasons []string `json:"reasons"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxErrorBytes)).Decode(&readiness); err != nil || len(readiness.Reasons) == 0 {
		return fmt.Errorf("not ready: %s", response.Status)
	}
	return fmt.Errorf("not ready: %s", strings.Join(readiness.Reasons, "; "))
}
