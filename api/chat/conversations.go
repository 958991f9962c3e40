package chat

import (
	"context"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// ListContexts implements gen.StrictServerInterface.
func (h *Handlers) ListContexts(ctx context.Context, _ gen.ListContextsRequestObject) (gen.ListContextsResponseObject, error) {
	list := gen.ContextList{Data: []gen.Context{}}
	infos, err := h.Conversations.ListContexts(ctx, web.CallerOf(ctx))
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		list.Data = append(list.Data, contextView(info))
	}
	return gen.ListContexts200JSONResponse(list), nil
}

// CreateContext implements gen.StrictServerInterface.
func (h *Handlers) CreateContext(ctx context.Context, request gen.CreateContextRequestObject) (gen.CreateContextResponseObject, error) {
	upload, err := h.ReceiveOrFind(ctx, request.Body, []string{"model", "strict", "start", "end"})
	defer h.Discard(upload)
	form := web.NewForm(upload)
	about := services.NewContext{Model: form.Text("model"), Audio: upload.Audio(), Reading: form.Reading()}
	if err := web.Join(err, form.Fault()); err != nil {
		return nil, err
	}
	found, err := h.Models.Resolve(tasks.Ask, about.Model)
	if err != nil {
		return nil, err
	}
	about.Model = found.Model
	info, err := h.Conversations.CreateContext(ctx, web.CallerOf(ctx), about)
	if err != nil {
		return nil, err
	}
	return gen.CreateContext201JSONResponse{Body: contextView(info)}, nil
}

// GetContext implements gen.StrictServerInterface.
func (h *Handlers) GetContext(ctx context.Context, request gen.GetContextRequestObject) (gen.GetContextResponseObject, error) {
	info, err := h.Conversations.Context(ctx, web.CallerOf(ctx), request.ContextId)
	if err != nil {
		return nil, err
	}
	return gen.GetContext200JSONResponse(contextView(info)), nil
}

// DeleteContext implements gen.StrictServerInterface.
func (h *Handlers) DeleteContext(ctx context.Context, request gen.DeleteContextRequestObject) (gen.DeleteContextResponseObject, error) {
	if err := h.Conversations.DeleteContext(ctx, web.CallerOf(ctx), request.ContextId); err != nil {
		return nil, err
	}
	return gen.DeleteContext204Response{}, nil
}

func contextView(info services.ContextInfo) gen.Context {
	view := gen.Context{
		Id: info.ID, Object: gen.ContextObjectContext, AudioId: info.AudioID, Model: info.Model, Created: info.Created, LastUsed: info.Used,
		Expires:  info.Expires,
		Duration: info.DurationSeconds, Turns: []gen.ContextTurn{}, CachedTokens: info.CachedTokens, CachedBytes: int64(info.CachedBytes),
	}
	for _, turn := range info.Turns {
		view.Turns = append(view.Turns, gen.ContextTurn{Question: turn.Question, Answer: turn.Answer})
	}
	return view
}
