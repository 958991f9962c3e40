package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
)

const (
	// checkInterval is how often the state of the server is compared with what was sent.
	checkInterval = 2 * time.Second
	// quietChecks is the number of checks without a change after which a comment is sent.
	quietChecks = 7
)

// view is a part of the state, as its route returns it.
type view struct {
	name string
	get  func(ctx context.Context) (any, error)
}

// stateViews returns the views that FollowSystem sends.
func (e *endpoints) stateViews() []view {
	one := 1
	return []view{
		{"health", func(ctx context.Context) (any, error) { return e.GetHealth(ctx, gen.GetHealthRequestObject{}) }},
		{"system", func(ctx context.Context) (any, error) { return e.GetSystem(ctx, gen.GetSystemRequestObject{}) }},
		{"services", func(ctx context.Context) (any, error) { return e.ListServices(ctx, gen.ListServicesRequestObject{}) }},
		{"models", func(ctx context.Context) (any, error) { return e.ListModels(ctx, gen.ListModelsRequestObject{}) }},
		{"resources", func(ctx context.Context) (any, error) { return e.GetResources(ctx, gen.GetResourcesRequestObject{}) }},
		{"performance", func(ctx context.Context) (any, error) {
			return e.GetPerformance(ctx, gen.GetPerformanceRequestObject{Params: gen.GetPerformanceParams{Samples: &one}})
		}},
		{"forecast", func(ctx context.Context) (any, error) { return e.GetForecast(ctx, gen.GetForecastRequestObject{}) }},
		{"config", func(ctx context.Context) (any, error) { return e.GetConfig(ctx, gen.GetConfigRequestObject{}) }},
	}
}

// FollowSystem implements gen.StrictServerInterface.
func (e *endpoints) FollowSystem(ctx context.Context, _ gen.FollowSystemRequestObject) (gen.FollowSystemResponseObject, error) {
	return &systemStream{endpoints: e, ctx: ctx, interval: checkInterval, sent: make(map[string][]byte)}, nil
}

// systemStream sends the views that have changed.
type systemStream struct {
	*endpoints
	ctx      context.Context //nolint:containedctx // of the request that the response belongs to
	interval time.Duration
	// sent has the latest data of each view.
	sent map[string][]byte
}

// VisitFollowSystemResponse implements gen.FollowSystemResponseObject.
func (s *systemStream) VisitFollowSystemResponse(w http.ResponseWriter) error {
	ctx, cancel := web.UntilDrain(s.ctx)
	defer cancel()
	events := web.NewEvents(w)
	events.Begin()
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for quiet := 0; ; {
		quiet++
		if s.send(ctx, events) {
			quiet = 0
		}
		if quiet == quietChecks {
			events.Write(":\n\n")
			quiet = 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// send sends the views that have changed, and reports whether there are any. A view that
// cannot be read is sent once it can.
func (s *systemStream) send(ctx context.Context, events *web.Events) (changed bool) {
	for _, v := range s.stateViews() {
		value, err := v.get(ctx)
		var data []byte
		if err == nil {
			data, err = json.Marshal(value)
		}
		if err != nil {
			s.Log.Warn("a view could not be sent", "view", v.name, "error", err)
			continue
		}
		if before := s.sent[v.name]; bytes.Equal(unclocked(before), unclocked(data)) {
			continue
		}
		s.sent[v.name] = data
		events.Write(fmt.Sprintf("event: %s\ndata: %s\n\n", v.name, data))
		changed = true
	}
	return changed
}

// uptime is the field that changes all the time.
var uptime = []byte(`"uptime_seconds":`)

// unclocked returns JSON without the value of uptime.
func unclocked(data []byte) []byte {
	before, after, ok := bytes.Cut(data, uptime)
	if !ok {
		return data
	}
	return append(bytes.Clone(before), bytes.TrimLeft(after, "0123456789.e+-")...)
}
