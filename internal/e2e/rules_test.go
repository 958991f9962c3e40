package e2e

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// series is a metric's name with its label matchers, if any.
var series = regexp.MustCompile(`([a-z_][a-z0-9_:]*)(\{[^}]*\})?`)

// matcher is one label matcher.
var matcher = regexp.MustCompile(`(\w+)(=~|=)"([^"]*)"`)

// TestTheRulesNameMetricsThatAFreshServerHas reads the shipped rules and looks
// every series up in /metrics, which must also please promtool's linter.
func TestTheRulesNameMetricsThatAFreshServerHas(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("deploy/prometheus/grym-synth.rules.yaml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Record, Alert, Expr, For string
				Labels, Annotations      map[string]string
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&file))

	s := start(t, "--config", eager(t))
	var body string
	// A health check appears with its first answer.
	require.Eventually(t, func() bool {
		_, body = s.get(t, "/metrics")
		return strings.Contains(body, "grym_health_checks_total{") && strings.Contains(body, "grym_memory_full_seconds")
	}, 10*time.Second, 50*time.Millisecond)
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)

	var recorded []string
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			require.NotEqual(t, rule.Record == "", rule.Alert == "", "a rule records or alerts: %+v", rule)
			recorded = append(recorded, rule.Record)
			if rule.For != "" {
				_, err := time.ParseDuration(rule.For)
				require.NoError(t, err)
			}
			if rule.Alert != "" {
				require.Contains(t, []string{"critical", "warning", "info"}, rule.Labels["severity"], rule.Alert)
				require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
			}
			require.Equal(t, strings.Count(rule.Expr, "("), strings.Count(rule.Expr, ")"), rule.Expr)
			found := 0
			for _, m := range series.FindAllStringSubmatch(rule.Expr, -1) {
				name, labels := m[1], m[2]
				if strings.HasPrefix(name, "grym_") || strings.HasPrefix(name, "process_") {
					require.True(t, exposed(body, name, labels), "%s%s of rule %s%s is not in /metrics", name, labels, rule.Record, rule.Alert)
					found++
				} else if strings.Contains(name, ":") || name == "up" {
					require.True(t, name == "up" || slices.Contains(recorded, name), "%s is recorded by no rule before", name)
					found++
				}
			}
			require.Positive(t, found, rule.Expr)
		}
	}
}

// exposed reports whether a series with these labels is in an exposition. Of
// alternatives in a matcher each must be there.
func exposed(body, name, labels string) bool {
	var lines []string
	for line := range strings.SplitSeq(body, "\n") {
		if strings.HasPrefix(line, name+"{") || strings.HasPrefix(line, name+" ") {
			lines = append(lines, line)
		}
	}
	for _, m := range matcher.FindAllStringSubmatch(labels, -1) {
		label := regexp.MustCompile(`[{,]` + m[1] + `="`)
		if !slices.ContainsFunc(lines, label.MatchString) {
			return false
		}
		for value := range strings.SplitSeq(m[3], "|") {
			// States and failed checks appear when they first happen.
			if m[1] != "state" && m[1] != "ok" && !slices.ContainsFunc(lines, func(line string) bool {
				return strings.Contains(line,
					m[1]+`="`+value+`"`)
			}) {
				return false
			}
		}
	}
	return len(lines) > 0
}

// eager settings look at health more often than the default.
func eager(t *testing.T) string {
	t.Helper()
	name := t.TempDir() + "/settings.yaml"
	require.NoError(t, os.WriteFile(name, []byte("systemHardening: {healthMonitoring: {checkInterval: 200ms}}\n"), 0o600))
	return name
}
