package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Healthcheck asks the server at a listen address whether it is ready. The
// error gives the reasons. It is meant for a container's HEALTHCHECK, where
// there is no curl.
func Healthcheck(ctx context.Context, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("api.listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	// No proxy: the server is on this machine.
	client := &http.Client{Transport: &http.Transport{Proxy: nil}}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
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
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&readiness); err != nil || len(readiness.Reasons) == 0 {
		return fmt.Errorf("not ready: %s", response.Status)
	}
	return fmt.Errorf("not ready: %s", strings.Join(readiness.Reasons, "; "))
}
