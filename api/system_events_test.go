package api

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/manage"
)

// scriptedViews is a server whose budget can change.
type scriptedViews struct{ budget, uptime atomic.Int64 }

func (s *scriptedViews) HealthView() manage.HealthView { return manage.HealthView{Phase: "serving"} }

func (s *scriptedViews) ResourcesView() gen.Resources {
	return gen.Resources{BudgetBytes: s.budget.Load()}
}

func (s *scriptedViews) SystemView(context.Context) gen.System {
	return gen.System{UptimeSeconds: float64(s.uptime.Add(1))}
}

func (s *scriptedViews) PerformanceView(int) gen.Performance { return gen.Performance{} }

func (s *scriptedViews) ForecastView() gen.Forecast { return gen.Forecast{} }

func (s *scriptedViews) AnalyticsView(int, int) gen.Analytics { return gen.Analytics{} }

// scriptedSettings are settings that never change.
type scriptedSettings struct{}

func (scriptedSettings) View() (map[string]any, []string, error) {
	return map[string]any{"log": "info"}, nil, nil
}
func (scriptedSettings) Patch(map[string]any) ([]string, error) { return nil, nil }
func (scriptedSettings) Describe() ([]gen.Setting, error)       { return nil, nil }

// nextEvent reads the name and the data of the next event.
func nextEvent(t *testing.T, lines *bufio.Scanner) (name, data string) {
	t.Helper()
	for lines.Scan() {
		if found, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			name = found
		}
		if found, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			return name, found
		}
	}
	require.NoError(t, lines.Err())
	t.Fatal("the stream has ended")
	return "", ""
}

func TestTheStateOfTheServerIsStreamed(t *testing.T) {
	t.Parallel()
	b := setup(t, says("never"), func(_ *Config, deps *Dependencies) { deps.Views, deps.Settings = &scriptedViews{}, scriptedSettings{} })
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	response := accepting(t, b.request(t, http.MethodGet, "/v1/system/events", nil).WithContext(ctx), "gzip")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	var names []string
	for range 8 {
		name, _ := nextEvent(t, lines)
		names = append(names, name)
	}
	require.Equal(t, []string{"health", "system", "services", "models", "resources", "performance", "forecast", "config"}, names)
}

func TestUptimeIsNoChange(t *testing.T) {
	t.Parallel()
	require.Equal(t, `{"a":1,,"b":2}`, string(unclocked([]byte(`{"a":1,"uptime_seconds":12.5e+3,"b":2}`))))
	require.Equal(t, `{"a":1}`, string(unclocked([]byte(`{"a":1}`))))
}
