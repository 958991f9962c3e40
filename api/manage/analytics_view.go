package manage

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/hardening/performance"
)

const (
	// defaultHours and defaultEntries are the defaults of the analysis.
	defaultHours, defaultEntries = 24, 20
)

// GetAnalytics implements gen.StrictServerInterface.
func (h *Handlers) GetAnalytics(_ context.Context, request gen.GetAnalyticsRequestObject) (gen.GetAnalyticsResponseObject, error) {
	hours, limit := defaultHours, defaultEntries
	if request.Params.Hours != nil {
		hours = *request.Params.Hours
	}
	if request.Params.Limit != nil {
		limit = *request.Params.Limit
	}
	return gen.GetAnalytics200JSONResponse(h.Views.AnalyticsView(hours, limit)), nil
}

// AnalyticsView returns an analysis of the given number of hours, the present one among
// them, with lists of at most the given length.
func (s *State) AnalyticsView(hours, limit int) gen.Analytics {
	a := s.Performance.Analytics(time.Now().Add(-time.Duration(hours-1) * time.Hour))
	view := gen.Analytics{
		Since: web.UnlessZero(a.Since), SlowestModels: []gen.ModelUse{}, BusiestHours: []gen.HourUse{}, Refusals: []gen.RefusalCause{},
	}
	for _, m := range a.Models[:min(len(a.Models), limit)] {
		view.SlowestModels = append(view.SlowestModels, gen.ModelUse{
			Service: m.Service, Model: web.Unless(m.Model, ""), Tasks: m.Tasks, Failed: m.Failed, RunSeconds: m.Work.Seconds(),
			RunP50Seconds: m.RanP50.Seconds(), RunP95Seconds: m.RanP95.Seconds(), RunMaxSeconds: m.RanMax.Seconds(),
			WaitP95Seconds: m.QueuedP95.Seconds(),
		})
	}
	for _, one := range a.Hours[:min(len(a.Hours), limit)] {
		view.BusiestHours = append(view.BusiestHours, gen.HourUse{
			Start: one.Start, Tasks: one.Tasks, Failed: one.Failed, Requests: one.Requests, Refused: one.Refused,
			RunSeconds: one.Work.Seconds(), WaitSeconds: one.Queued.Seconds(), ReceivedBytes: one.Received, SentBytes: one.Sent,
		})
	}
	for _, c := range a.Causes[:min(len(a.Causes), limit)] {
		view.Refusals = append(view.Refusals, gen.RefusalCause{Cause: c.Cause, Status: c.Status, Route: c.Route, Count: c.Count, Last: c.Last})
	}
	return view
}

// networkView returns the use of the network. latest is the last sample, if any.
func networkView(n performance.Network, latest *performance.Sample) gen.NetworkUse {
	view := gen.NetworkUse{
		ReceivedBytes: n.Received, SentBytes: n.Sent, Uploads: n.Uploads, Streams: n.Streams, PeakBytesPerSecond: n.Peak,
		CapacityBytesPerSecond: web.Unless(n.Capacity, 0), Routes: []gen.RouteUse{},
	}
	if n.Capacity > 0 && latest != nil {
		view.Use = new(max(latest.ReceivedPerSecond, latest.SentPerSecond) / n.Capacity)
	}
	for _, r := range n.Routes {
		view.Routes = append(view.Routes, gen.RouteUse{Route: r.Route, Requests: r.Requests, ReceivedBytes: r.Received, SentBytes: r.Sent})
	}
	return view
}
