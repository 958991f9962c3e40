package manage

import (
	"context"
	"slices"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/orchestrator/audit"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Audit has what operators did; audit.Log implements it.
type Audit interface {
	Add(ctx context.Context, entry audit.Entry) error
	// List returns a page, the newest first. An invalid cursor is an invalid field.
	List(limit int, cursor string) (records.Page[audit.Entry], error)
}

// KeyName returns the name of an API key, or "" if it has none or is unknown.
func KeyName(keys KeyStore, id string) string {
	if keys == nil || id == "" {
		return ""
	}
	list, err := keys.List()
	if err != nil {
		return "" // the id remains
	}
	if i := slices.IndexFunc(list, func(k access.Key) bool { return k.ID == id }); i >= 0 {
		return list[i].Name
	}
	return ""
}

// ListActions implements gen.StrictServerInterface.
func (h *Handlers) ListActions(_ context.Context, request gen.ListActionsRequestObject) (gen.ListActionsResponseObject, error) {
	if h.Audit == nil {
		return nil, services.Faultf(services.KindUnavailable, "this server records no actions")
	}
	limit := web.DefaultPage
	if request.Params.Limit != nil {
		limit = *request.Params.Limit
	}
	page, err := h.Audit.List(limit, web.Value(request.Params.Cursor))
	if err != nil {
		return nil, err
	}
	list := gen.ActionList{Data: make([]gen.Action, len(page.Data)), Next: web.Unless(page.Next, "")}
	for i, entry := range page.Data {
		list.Data[i] = actionView(entry)
	}
	return gen.ListActions200JSONResponse(list), nil
}

func actionView(e audit.Entry) gen.Action {
	return gen.Action{
		Id: e.ID, Object: gen.ActionObjectAction, At: e.At, Key: web.Unless(e.Key, ""), KeyName: web.Unless(e.KeyName, ""),
		Client: web.Unless(e.Client, ""), Operation: e.Operation, Method: e.Method, Path: e.Path, Target: web.Unless(e.Target, ""),
		Reason: web.Unless(e.Reason, ""), Status: e.Status, Outcome: outcomeOf(e.Status), Code: web.Unless(e.Code, ""),
		RequestId: web.Unless(e.RequestID, ""),
	}
}

// outcomeOf returns the outcome of a request that was answered with a status.
func outcomeOf(status int) gen.ActionOutcome {
	switch {
	case status >= 500:
		return gen.ActionOutcomeFailed
	case status >= 400:
		return gen.ActionOutcomeRefused
	}
	return gen.ActionOutcomeDone
}
