package api

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/grym-synth/grym-synth/orchestrator"
)

// FuzzChat sends arbitrary bodies as chat completions. The response is never a server error,
// and no file is left.
func FuzzChat(f *testing.F) {
	for _, c := range sentChats {
		f.Add(strings.NewReplacer("$Q", questionText, "$T", `{"type":"text","text":"What?"}`, "$S", soundPart).Replace(c.body))
	}
	contract, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		f.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	spool := f.TempDir()
	registry := orchestrator.NewRegistry(log)
	handler, err := NewHandler(DefaultConfig(), Dependencies{
		Executor: says("never"), Services: registry, Models: orchestrator.NewResolver(registry, orchestrator.Names{}),
		SpoolDir: spool, Contract: contract, Log: log, Views: draining{}, Metrics: http.NotFoundHandler(),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/v1/chat/completions", strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		// The scripted result is no answer, which is the only internal error.
		good := slices.Contains([]int{400, 413, 415}, recorder.Code)
		if !good && !strings.Contains(recorder.Body.String(), "the answer could not be encoded") {
			t.Errorf("status %d: %s", recorder.Code, recorder.Body)
		}
		if left, err := os.ReadDir(spool); err != nil || len(left) > 0 {
			t.Errorf("left in the spool: %v %v", left, err)
		}
	})
}
