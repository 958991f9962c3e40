package manage

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

func TestAnalyticsAreShownInListsOfTheAskedLength(t *testing.T) {
	t.Parallel()
	s := state(t)
	empty, err := json.Marshal(s.AnalyticsView(24, 20))
	require.NoError(t, err)
	require.Regexp(t, `^\{"busiest_hours":\[\],"refusals":\[\],"since":"[^"]+","slowest_models":\[\]\}$`, string(empty))
	for i, model := range []string{"a", "b", "c"} {
		s.Performance.TaskEnded(services.TaskEvent{Service: "ears", Model: model, Started: true, Queued: time.Second,
			Ran: time.Duration(i+1) * time.Second})
	}
	s.Performance.TaskEnded(services.TaskEvent{Service: "ears", Started: true, Err: errors.New("broken")})
	traffic := s.Performance.Traffic()
	traffic.Ended("POST /x", 7, 5, 429, "busy")
	traffic.Ended("POST /x", 7, 5, 429, "busy")
	traffic.Ended("GET /y", 1, 1, 404, "not_found")
	hours, limit := 168, 2
	answer, err := (&Handlers{Views: s}).GetAnalytics(t.Context(), gen.GetAnalyticsRequestObject{
		Params: gen.GetAnalyticsParams{Hours: &hours, Limit: &limit},
	})
	require.NoError(t, err)
	view := answer.(gen.GetAnalytics200JSONResponse)
	require.Len(t, view.SlowestModels, 2)
	require.Equal(t, gen.ModelUse{Service: "ears", Model: new("c"), Tasks: 1, RunSeconds: 3, RunP50Seconds: 3, RunP95Seconds: 3,
		RunMaxSeconds: 3, WaitP95Seconds: 1}, view.SlowestModels[0])
	require.Equal(t, "b", *view.SlowestModels[1].Model)
	require.Len(t, view.Refusals, 2)
	require.Equal(t, []any{"busy", 429, "POST /x", 2},
		[]any{view.Refusals[0].Cause, view.Refusals[0].Status, view.Refusals[0].Route, view.Refusals[0].Count})
	hour := view.BusiestHours[0]
	require.Equal(t, []any{4, 1, 3, 3, 6., 3., int64(15), int64(11)}, []any{hour.Tasks, hour.Failed, hour.Requests, hour.Refused,
		hour.RunSeconds, hour.WaitSeconds, hour.ReceivedBytes, hour.SentBytes})
	require.Len(t, s.AnalyticsView(1, 200).SlowestModels, 4)

	traffic.Received(100)
	network := s.PerformanceView(1).Network
	require.EqualValues(t, 100, network.ReceivedBytes)
	require.Nil(t, network.CapacityBytesPerSecond)
	require.Nil(t, network.Use)
	require.Equal(t, gen.RouteUse{Route: "POST /x", Requests: 2, ReceivedBytes: 14, SentBytes: 10}, network.Routes[0])
}
