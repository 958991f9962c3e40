package api

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/grym-synth/grym-synth/api/manage"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/orchestrator/audit"
)

// auditTimeout bounds how long a response waits for its record.
const auditTimeout = 2 * time.Second

// record records the requests of operators that change the server. It comes after admit:
// what anybody can send would displace what operators did.
func (h *handlers) record(next http.Handler) http.Handler {
	if h.Audit == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := h.operations.of(r)
		if r.Method == http.MethodGet || r.Method == http.MethodHead || !slices.Equal(asked.scopes, []access.Scope{access.ScopeAdmin}) ||
			asked.id == "" {
			next.ServeHTTP(w, r)
			return
		}
		ctx, action := web.WithAction(r.Context())
		r = r.WithContext(ctx)
		wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		status := http.StatusInternalServerError // of a panic
		defer func() {
			h.recordAction(r, audit.Entry{
				Key: web.CallerOf(r.Context()).Key, Operation: asked.id, Status: status,
				Target: cmp.Or(action.Target, r.URL.Query().Get("model")), Reason: action.Reason,
			})
		}()
		next.ServeHTTP(wrapped, r)
		if status = wrapped.Status(); status == 0 {
			status = http.StatusOK
		}
	})
}

// recordAction stores the record of a request that has ended, completed by what the request
// says. If that fails, the log has it: what the operator did stays done.
func (h *handlers) recordAction(r *http.Request, entry audit.Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), auditTimeout)
	defer cancel()
	entry.Client, entry.Method, entry.Path, entry.RequestID = r.RemoteAddr, r.Method, r.URL.Path, web.RequestID(ctx)
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		entry.Client = host
	}
	if code, ok := ctx.Value(refusalKey{}).(*string); ok {
		entry.Code = *code
	}
	if entry.Code == "" && entry.Status == http.StatusInternalServerError {
		entry.Code = "internal" // a panic is answered further out
	}
	entry.KeyName = manage.KeyName(h.KeyStore, entry.Key)
	if err := h.Audit.Add(ctx, entry); err != nil {
		h.Log.ErrorContext(ctx, "an operator's action could not be recorded", "operation", entry.Operation, "path", entry.Path,
			"target", entry.Target, "status", entry.Status, "key", entry.Key, "client", entry.Client, "error", err)
	}
}
