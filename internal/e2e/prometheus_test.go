package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const shippedRules = "deploy/prometheus/grym-synth.rules.yaml"

// tool finds a program of Debian's package prometheus.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not there; apt-get install prometheus has it", name)
	}
	return path
}

// TestPromtoolHasNothingToSay is what an operator runs:
//
//	curl -s http://127.0.0.1:8080/metrics | promtool check metrics
//	promtool check rules deploy/prometheus/grym-synth.rules.yaml
func TestPromtoolHasNothingToSay(t *testing.T) {
	t.Parallel()
	promtool := tool(t, "promtool")
	s := start(t, "--config", eager(t))
	status, answer := s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, answer)
	_, metrics := s.get(t, "/metrics")
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(metrics)
	out, err := check.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Empty(t, string(out))
	out, err = exec.CommandContext(t.Context(), promtool, "check", "rules", shippedRules).CombinedOutput()
	require.NoError(t, err, string(out))
}

// realPrometheus runs the real one on a free port, with the shipped rules, and returns
// its address.
func realPrometheus(t *testing.T, target string) string {
	t.Helper()
	program := tool(t, "prometheus")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().String()
	require.NoError(t, free.Close())
	rules, err := filepath.Abs(shippedRules)
	require.NoError(t, err)
	dir := t.TempDir()
	settings := fmt.Sprintf(`global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 300ms}
rule_files: [%q]
scrape_configs:
  - job_name: grym-synth
    static_configs: [{targets: [%q]}]
`, rules, target)
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte(settings), 0o600))
	cmd := exec.CommandContext(t.Context(), program, "--config.file", file, "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", addr)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return "http://" + addr
}

// asks reads a route of Prometheus's API into answer; false while it does not answer.
func asks(t *testing.T, address string, answer any) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return err == nil && response.StatusCode == http.StatusOK && json.Unmarshal(body, answer) == nil
}

// TestARealPrometheusScrapesWithTheShippedRules has every rule evaluated on what a
// running server says.
func TestARealPrometheusScrapesWithTheShippedRules(t *testing.T) {
	t.Parallel()
	tool(t, "prometheus")
	s := start(t, "--config", eager(t))
	address := realPrometheus(t, strings.TrimPrefix(s.url, "http://"))
	status, answer := s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, answer)

	value := func(query string) string {
		var found struct {
			Data struct{ Result []struct{ Value [2]any } }
		}
		if !asks(t, address+"/api/v1/query?query="+url.QueryEscape(query), &found) || len(found.Data.Result) == 0 {
			return ""
		}
		return fmt.Sprint(found.Data.Result[0].Value[1])
	}
	for query, want := range map[string]string{
		`up{job="grym-synth"}`: "1",
		`grym_inference_requests_total{service="wav2vec2",outcome="success"}`: "1",
		`count(service:grym_inference_requests:rate5m{service="wav2vec2"})`:   "1",
	} {
		require.Eventually(t, func() bool { return value(query) == want }, 30*time.Second, 100*time.Millisecond, "%s is %q", query, value(query))
	}
	var rules struct {
		Data struct {
			Groups []struct {
				Name  string
				Rules []struct{ Name, Health, LastError, State string }
			}
		}
	}
	require.Eventually(t, func() bool {
		seen := 0
		asks(t, address+"/api/v1/rules", &rules)
		for _, group := range rules.Data.Groups {
			for _, rule := range group.Rules {
				if rule.Health == "unknown" {
					return false
				}
				seen++
			}
		}
		return seen >= 10
	}, 30*time.Second, 100*time.Millisecond)
	for _, group := range rules.Data.Groups {
		for _, rule := range group.Rules {
			require.Equal(t, "ok", rule.Health, "%s: %s", rule.Name, rule.LastError)
			require.NotEqual(t, "firing", rule.State, "%s fires on a healthy server", rule.Name)
		}
	}
}
