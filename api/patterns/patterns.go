package patterns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Store has the patterns. What names a pattern is its id or its name. Faults are of
// KindNotFound for a pattern that the caller may not see.
type Store interface {
	// ListPatterns returns a page of the caller's patterns; an empty name lists all.
	ListPatterns(ctx context.Context, caller services.Caller, name string, limit int, cursor string) (tasks.PatternPage, error)
	// Pattern returns one pattern.
	Pattern(ctx context.Context, caller services.Caller, id string) (tasks.Pattern, error)
	// ChangePattern changes the name or the metadata of a pattern.
	ChangePattern(ctx context.Context, caller services.Caller, id string, change tasks.PatternChange) (tasks.Pattern, error)
	// DeletePattern deletes a pattern.
	DeletePattern(ctx context.Context, caller services.Caller, id string) error
	// PatternRelations returns the relations of a pattern with the others of its owner.
	PatternRelations(ctx context.Context, caller services.Caller, id string) (tasks.PatternRelations, error)
	// ExportPatterns returns a function that writes patterns as JSON lines.
	ExportPatterns(ctx context.Context, caller services.Caller, names []string) (write func(w io.Writer) error, err error)
}

// Handlers serves the routes.
type Handlers struct {
	Store Store
}

// errNone is the cause of the fault of a server without patterns.
var errNone = errors.New("no service has patterns")

// store returns the store, or a fault.
func (h *Handlers) store() (Store, error) {
	if h.Store == nil {
		return nil, &services.Fault{Kind: services.KindUnavailable, Message: "this server has no patterns", Err: errNone}
	}
	return h.Store, nil
}

// ListPatterns implements gen.StrictServerInterface.
func (h *Handlers) ListPatterns(ctx context.Context, request gen.ListPatternsRequestObject) (gen.ListPatternsResponseObject, error) {
	store, err := h.store()
	if err != nil {
		return nil, err
	}
	limit := web.DefaultPage
	if request.Params.Limit != nil {
		limit = *request.Params.Limit
	}
	page, err := store.ListPatterns(ctx, web.CallerOf(ctx), web.Value(request.Params.Name), limit, web.Value(request.Params.Cursor))
	return answer{page}, err
}

// GetPattern implements gen.StrictServerInterface.
func (h *Handlers) GetPattern(ctx context.Context, request gen.GetPatternRequestObject) (gen.GetPatternResponseObject, error) {
	store, err := h.store()
	if err != nil {
		return nil, err
	}
	found, err := store.Pattern(ctx, web.CallerOf(ctx), request.PatternId)
	return answer{found}, err
}

// ChangePattern implements gen.StrictServerInterface.
func (h *Handlers) ChangePattern(ctx context.Context, request gen.ChangePatternRequestObject) (gen.ChangePatternResponseObject, error) {
	store, err := h.store()
	if err != nil {
		return nil, err
	}
	change := tasks.PatternChange{Name: request.Body.Name}
	if request.Body.Metadata != nil {
		change.Metadata = *request.Body.Metadata
	}
	changed, err := store.ChangePattern(ctx, web.CallerOf(ctx), request.PatternId, change)
	return answer{changed}, err
}

// DeletePattern implements gen.StrictServerInterface.
func (h *Handlers) DeletePattern(ctx context.Context, request gen.DeletePatternRequestObject) (gen.DeletePatternResponseObject, error) {
	store, err := h.store()
	if err == nil {
		err = store.DeletePattern(ctx, web.CallerOf(ctx), request.PatternId)
	}
	if err != nil {
		return nil, err
	}
	return gen.DeletePattern204Response{}, nil
}

// GetPatternRelations implements gen.StrictServerInterface.
func (h *Handlers) GetPatternRelations(
	ctx context.Context, request gen.GetPatternRelationsRequestObject,
) (gen.GetPatternRelationsResponseObject, error) {
	store, err := h.store()
	if err != nil {
		return nil, err
	}
	found, err := store.PatternRelations(ctx, web.CallerOf(ctx), request.PatternId)
	return answer{found}, err
}

// ExportPatterns implements gen.StrictServerInterface.
func (h *Handlers) ExportPatterns(ctx context.Context, request gen.ExportPatternsRequestObject) (gen.ExportPatternsResponseObject, error) {
	store, err := h.store()
	if err != nil {
		return nil, err
	}
	write, err := store.ExportPatterns(ctx, web.CallerOf(ctx), web.Value(request.Params.Pattern))
	return export{write}, err
}

// answer is a response with a value as JSON.
type answer struct{ value any }

func (a answer) send(w http.ResponseWriter) error {
	text, err := json.Marshal(a.value)
	if err != nil {
		return services.Internal(err, "the answer could not be encoded")
	}
	return web.NewJSON(text).Send(w)
}

// VisitListPatternsResponse implements gen.ListPatternsResponseObject.
func (a answer) VisitListPatternsResponse(w http.ResponseWriter) error { return a.send(w) }

// VisitGetPatternResponse implements gen.GetPatternResponseObject.
func (a answer) VisitGetPatternResponse(w http.ResponseWriter) error { return a.send(w) }

// VisitChangePatternResponse implements gen.ChangePatternResponseObject.
func (a answer) VisitChangePatternResponse(w http.ResponseWriter) error { return a.send(w) }

// VisitGetPatternRelationsResponse implements gen.GetPatternRelationsResponseObject.
func (a answer) VisitGetPatternRelationsResponse(w http.ResponseWriter) error { return a.send(w) }

// export is a response with the lines of an export.
type export struct{ write func(w io.Writer) error }

// VisitExportPatternsResponse implements gen.ExportPatternsResponseObject. A fault before the
// first line is answered; after it the response is broken off, so that a client does not
// take it for complete.
func (e export) VisitExportPatternsResponse(w http.ResponseWriter) error {
	out := &lazy{w: w}
	err := e.write(out)
	if err == nil && !out.begun {
		out.begin()
	}
	if err != nil && out.begun {
		panic(http.ErrAbortHandler)
	}
	return err
}

// lazy writes the headers with the first bytes.
type lazy struct {
	w     http.ResponseWriter
	begun bool
}

func (l *lazy) begin() {
	l.begun = true
	l.w.Header().Set("Content-Type", "application/x-ndjson")
	l.w.Header().Set("Content-Disposition", `attachment; filename="patterns.jsonl"`)
	l.w.WriteHeader(http.StatusOK)
}

// Write implements io.Writer.
func (l *lazy) Write(p []byte) (int, error) {
	if !l.begun {
		l.begin()
	}
	n, err := l.w.Write(p)
	if err != nil {
		return n, fmt.Errorf("send the export: %w", err)
	}
	return n, nil
}
