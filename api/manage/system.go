package manage

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
)

// Settings are the configuration in force.
type Settings interface {
	// View returns every setting as nested maps, with secrets masked, and the keys that can
	// change while the server runs.
	View() (settings map[string]any, live []string, err error)
	// Describe returns a description of every setting, ordered by key.
	Describe() ([]gen.Setting, error)
	// Patch applies a JSON merge patch as a whole, or returns a fault. It returns the
	// changed keys.
	Patch(patch map[string]any) (changed []string, err error)
}

// Store reports what the store of records lost.
type Store interface {
	StoreView() gen.StoreState
	// Acknowledge forgets the losses and returns their number.
	Acknowledge() int
}

// Handlers serves the management routes.
type Handlers struct {
	Services web.Services
	Tasks    Tasks
	Jobs     Jobs
	Models   web.Models
	// Restart restarts a service, or one model of it if model is not empty.
	Restart func(ctx context.Context, service, model string) error
	// Reload has the changed files of a model take the place of those that it was loaded from,
	// if gap is set after these have been unloaded.
	Reload func(ctx context.Context, service, model string, gap bool) error
	Views  Views
	// Unreadable is like State.Unreadable.
	Unreadable func() []services.ModelStatus
	// Remove removes a model from the models folder.
	Remove func(ctx context.Context, model string) error
	// Settings is the configuration in force.
	Settings Settings
	// Store reports what the store lost.
	Store Store
	// Audit has what operators did; nil records nothing.
	Audit   Audit
	Version gen.Version
	// Routes are the routes that run tasks, by task.
	Routes map[string]TaskRoute
	// Keys reports whether API keys are required. KeyStore has them, also if they are not.
	Keys     bool
	KeyStore KeyStore
	// Known are the models of the catalogue.
	Known []gen.KnownModel
	// Locked refuses every change: no keys are required, and the server is reachable from
	// other machines.
	Locked bool
	Log    *slog.Logger
}

// GetSystem implements gen.StrictServerInterface.
func (h *Handlers) GetSystem(ctx context.Context, _ gen.GetSystemRequestObject) (gen.GetSystemResponseObject, error) {
	view := h.Views.SystemView(ctx)
	view.Version, view.Keys = h.Version, h.Keys
	return gen.GetSystem200JSONResponse(view), nil
}

// defaultSamples is the default number of samples.
const defaultSamples = 60

// GetPerformance implements gen.StrictServerInterface.
func (h *Handlers) GetPerformance(_ context.Context, request gen.GetPerformanceRequestObject) (gen.GetPerformanceResponseObject, error) {
	samples := defaultSamples
	if request.Params.Samples != nil {
		samples = *request.Params.Samples
	}
	return gen.GetPerformance200JSONResponse(h.Views.PerformanceView(samples)), nil
}

// GetStore implements gen.StrictServerInterface.
func (h *Handlers) GetStore(context.Context, gen.GetStoreRequestObject) (gen.GetStoreResponseObject, error) {
	return gen.GetStore200JSONResponse(h.Store.StoreView()), nil
}

// AcknowledgeLosses implements gen.StrictServerInterface.
func (h *Handlers) AcknowledgeLosses(context.Context, gen.AcknowledgeLossesRequestObject) (gen.AcknowledgeLossesResponseObject, error) {
	if err := h.mayManage(); err != nil {
		return nil, err
	}
	n := h.Store.Acknowledge()
	if n > 0 {
		h.Log.Warn("losses of the store were acknowledged", "losses", n)
	}
	return gen.AcknowledgeLosses200JSONResponse{Acknowledged: n}, nil
}

// GetForecast implements gen.StrictServerInterface.
func (h *Handlers) GetForecast(context.Context, gen.GetForecastRequestObject) (gen.GetForecastResponseObject, error) {
	return gen.GetForecast200JSONResponse(h.Views.ForecastView()), nil
}

// GetConfig implements gen.StrictServerInterface.
func (h *Handlers) GetConfig(context.Context, gen.GetConfigRequestObject) (gen.GetConfigResponseObject, error) {
	settings, _, err := h.Settings.View()
	return gen.GetConfig200JSONResponse(settings), err
}

// ListSettings implements gen.StrictServerInterface.
func (h *Handlers) ListSettings(context.Context, gen.ListSettingsRequestObject) (gen.ListSettingsResponseObject, error) {
	list, err := h.Settings.Describe()
	return gen.ListSettings200JSONResponse{Data: list}, err
}

// ChangeConfig implements gen.StrictServerInterface.
func (h *Handlers) ChangeConfig(ctx context.Context, request gen.ChangeConfigRequestObject) (gen.ChangeConfigResponseObject, error) {
	if err := h.mayManage(); err != nil {
		return nil, err
	}
	var patch map[string]any
	switch {
	case request.JSONBody != nil:
		patch = *request.JSONBody
	case request.ApplicationMergePatchPlusJSONBody != nil:
		patch = *request.ApplicationMergePatchPlusJSONBody
	default:
		return nil, services.Invalidf("body", "is missing; send the settings to change as a JSON object")
	}
	changed, err := h.Settings.Patch(patch)
	if err != nil {
		return nil, err
	}
	web.ActionOf(ctx).Target = strings.Join(changed, ", ")
	h.Log.Info("settings changed", "keys", changed)
	settings, _, err := h.Settings.View()
	return gen.ChangeConfig200JSONResponse(settings), err
}

// GetLogLevel implements gen.StrictServerInterface.
func (h *Handlers) GetLogLevel(context.Context, gen.GetLogLevelRequestObject) (gen.GetLogLevelResponseObject, error) {
	level, err := h.logLevel()
	return gen.GetLogLevel200JSONResponse(level), err
}

// SetLogLevel implements gen.StrictServerInterface.
func (h *Handlers) SetLogLevel(ctx context.Context, request gen.SetLogLevelRequestObject) (gen.SetLogLevelResponseObject, error) {
	if err := h.mayManage(); err != nil {
		return nil, err
	}
	if request.Body == nil {
		return nil, services.Invalidf("level", "is missing; send it as {\"level\":\"debug\"}")
	}
	if _, err := h.Settings.Patch(map[string]any{"log": map[string]any{"level": string(request.Body.Level)}}); err != nil {
		return nil, err
	}
	level, err := h.logLevel()
	web.ActionOf(ctx).Target = string(level.Level)
	return gen.SetLogLevel200JSONResponse(level), err
}

// logLevel returns the log level in force.
func (h *Handlers) logLevel() (gen.LogLevel, error) {
	settings, _, err := h.Settings.View()
	if err != nil {
		return gen.LogLevel{}, err
	}
	section, _ := settings["log"].(map[string]any)
	return gen.LogLevel{Level: gen.LogLevelLevel(fmt.Sprint(section["level"]))}, nil
}

// mayManage refuses changes that users of other machines could make without a key.
func (h *Handlers) mayManage() error {
	if h.Locked {
		return &problem.HTTPError{Status: http.StatusForbidden, Slug: "loopback_only", Title: "Forbidden",
			Message: "the server can only be changed if it listens on the loopback interface or requires API keys; auth.mode is off"}
	}
	return nil
}
