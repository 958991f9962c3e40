package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/manage"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
)

// GetLiveness implements gen.StrictServerInterface.
func (h *handlers) GetLiveness(context.Context, gen.GetLivenessRequestObject) (gen.GetLivenessResponseObject, error) {
	return gen.GetLiveness200TextResponse("ok\n"), nil
}

// GetReadiness implements gen.StrictServerInterface.
func (h *handlers) GetReadiness(context.Context, gen.GetReadinessRequestObject) (gen.GetReadinessResponseObject, error) {
	reasons := h.Views.HealthView().Reasons
	if len(reasons) > 0 {
		return gen.GetReadiness503JSONResponse{Ready: false, Reasons: reasons}, nil
	}
	return gen.GetReadiness200JSONResponse{Ready: true, Reasons: []string{}}, nil
}

// GetServiceReadiness implements gen.StrictServerInterface.
func (h *handlers) GetServiceReadiness(
	_ context.Context, request gen.GetServiceReadinessRequestObject,
) (gen.GetServiceReadinessResponseObject, error) {
	if _, err := h.Services.Lookup(request.Service); err != nil {
		return nil, err
	}
	view := h.Views.HealthView()
	if problem := cmp.Or(view.Problems[request.Service], view.Drained[request.Service]); problem != "" {
		return gen.GetServiceReadiness503JSONResponse{Ready: false, Reasons: []string{problem}}, nil
	}
	return gen.GetServiceReadiness200JSONResponse{Ready: true, Reasons: []string{}}, nil
}

// GetHealth implements gen.StrictServerInterface.
func (h *handlers) GetHealth(context.Context, gen.GetHealthRequestObject) (gen.GetHealthResponseObject, error) {
	view := h.Views.HealthView()
	body := gen.GetHealth200JSONResponse{
		Status: view.Status(), Phase: gen.HealthPhase(view.Phase), Since: view.Since,
		Reasons: append([]string{}, view.Reasons...), Memory: view.Memory, Tasks: view.Tasks,
		Services: []gen.ServiceHealth{}, Checks: &view.Checks, Warnings: &view.Warnings,
	}
	for _, entry := range h.Services.List() {
		name := entry.Describe().Name
		health := serviceHealth(name, entry.Status(), entry.Service.Metrics(), view.Services[name])
		running, checks := len(entry.Runs()), view.ServiceChecks[name]
		health.Running, health.Checks = &running, &checks
		health.Drained = web.Unless(view.Drained[name], "")
		if models := view.Models[name]; len(models) > 0 {
			health.Models = &models
		}
		body.Services = append(body.Services, health)
	}
	return body, nil
}

func serviceHealth(name string, status services.ServiceStatus, metrics services.ServiceMetrics, view manage.ServiceView) gen.ServiceHealth {
	health := gen.ServiceHealth{
		Name: name, State: gen.ServiceHealthState(status.State), Since: status.Since, BreakerOpen: view.BreakerOpen,
		BreakerHold: view.Hold, Health: view.Health,
	}
	if status.LastError != "" {
		health.LastError = &status.LastError
	}
	if !status.LastSuccess.IsZero() {
		health.LastSuccess = &status.LastSuccess
	}
	if metrics.LatencyP50 > 0 {
		p50, p99 := metrics.LatencyP50.Seconds(), metrics.LatencyP99.Seconds()
		health.LatencyP50Seconds, health.LatencyP99Seconds = &p50, &p99
	}
	return health
}

// GetVersion implements gen.StrictServerInterface.
func (h *handlers) GetVersion(context.Context, gen.GetVersionRequestObject) (gen.GetVersionResponseObject, error) {
	return gen.GetVersion200JSONResponse(h.Version), nil
}

// GetMetrics implements gen.StrictServerInterface.
func (h *handlers) GetMetrics(ctx context.Context, _ gen.GetMetricsRequestObject) (gen.GetMetricsResponseObject, error) {
	return metricsResponse{h.Metrics, web.ExchangeOf(ctx).R}, nil
}

// metricsResponse is written by the Prometheus handler, which negotiates the format by the
// request's headers.
type metricsResponse struct {
	handler http.Handler
	request *http.Request
}

// VisitGetMetricsResponse implements gen.GetMetricsResponseObject.
func (m metricsResponse) VisitGetMetricsResponse(w http.ResponseWriter) error {
	m.handler.ServeHTTP(w, m.request)
	return nil
}

// GetOpenAPI implements gen.StrictServerInterface.
func (h *handlers) GetOpenAPI(context.Context, gen.GetOpenAPIRequestObject) (gen.GetOpenAPIResponseObject, error) {
	return documentResponse(h.document), nil
}

// documentResponse is the contract as JSON, encoded once.
type documentResponse json.RawMessage

// VisitGetOpenAPIResponse implements gen.GetOpenAPIResponseObject.
func (d documentResponse) VisitGetOpenAPIResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(d)
	return err
}
