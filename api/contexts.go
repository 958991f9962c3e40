package api

import (
	"context"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

// ListContexts implements gen.StrictServerInterface.
func (h *handlers) ListContexts(ctx context.Context, _ gen.ListContextsRequestObject) (gen.ListContextsResponseObject, error) {
	list := gen.ContextList{Data: []gen.Context{}}
	infos, err := h.Contexts.ListContexts(ctx, h.caller(ctx))
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		list.Data = append(list.Data, contextView(info))
	}
	return gen.ListContexts200JSONResponse(list), nil
}

// CreateContext implements gen.StrictServerInterface.
func (h *handlers) CreateContext(ctx context.Context, request gen.CreateContextRequestObject) (gen.CreateContextResponseObject, error) {
	upload, err := h.receiveOrFind(ctx, request.Body, []string{"model"})
	defer func() {
		if err := upload.Close(); err != nil {
			h.Log.Error("upload could not be removed", "error", err)
		}
	}()
	if err != nil {
		return nil, err
	}
	model := ""
	if values := upload.fields["model"]; len(values) > 0 {
		model = values[0]
	}
	found, err := h.Models.Resolve(services.TaskAsk, model)
	if err != nil {
		return nil, err
	}
	info, err := h.Contexts.CreateContext(ctx, h.caller(ctx), found.Model, upload.audio())
	if err != nil {
		return nil, err
	}
	return gen.CreateContext201JSONResponse{Body: contextView(info)}, nil
}

// GetContext implements gen.StrictServerInterface.
func (h *handlers) GetContext(ctx context.Context, request gen.GetContextRequestObject) (gen.GetContextResponseObject, error) {
	info, err := h.Contexts.Context(ctx, h.caller(ctx), request.ContextId)
	if err != nil {
		return nil, err
	}
	return gen.GetContext200JSONResponse(contextView(info)), nil
}

// DeleteContext implements gen.StrictServerInterface.
func (h *handlers) DeleteContext(ctx context.Context, request gen.DeleteContextRequestObject) (gen.DeleteContextResponseObject, error) {
	if err := h.Contexts.DeleteContext(ctx, h.caller(ctx), request.ContextId); err != nil {
		return nil, err
	}
	return gen.DeleteContext204Response{}, nil
}

func contextView(info services.ContextInfo) gen.Context {
	view := gen.Context{
		Id: info.ID, Object: gen.ContextObjectContext, AudioId: info.AudioID, Model: info.Model, Created: info.Created, LastUsed: info.Used, Expires: info.Expires,
		Duration: info.DurationSeconds, Turns: []gen.ContextTurn{}, CachedTokens: info.CachedTokens, CachedBytes: int64(info.CachedBytes),
	}
	for _, turn := range info.Turns {
		view.Turns = append(view.Turns, gen.ContextTurn{Question: turn.Question, Answer: turn.Answer})
	}
	return view
}
