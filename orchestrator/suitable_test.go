package orchestrator

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// picky is a shelf whose models cannot all do every task, and that serves only some
// parameters.
type picky struct {
	shelf
	can    map[string]bool // by model and task
	serves string
}

func (p picky) CanDo(model, task string) bool { return p.can[model+" "+task] }

func (p picky) Suits(task services.Task) bool { return strings.Contains(string(task.Params), p.serves) }

// TestATaskWithoutAModelGoesWhereItCanBeDone has two services with one task.
func TestATaskWithoutAModelGoesWhereItCanBeDone(t *testing.T) {
	t.Parallel()
	first := picky{
		shelf: shelf{name: "first", defaultModel: "a", tasks: []string{"embed", "classify"}, models: []string{"a"}},
		can:   map[string]bool{"a classify": true},
	}
	second := picky{
		shelf: shelf{name: "second", defaultModel: "b", tasks: []string{"embed", "classify", "other"}, models: []string{"b"}},
		can:   map[string]bool{"b classify": true, "b embed": true},
	}
	registry := NewRegistry(slog.New(slog.DiscardHandler))
	registry.Register(&first, nil, nil)
	registry.Register(&second, nil, nil)
	r := NewResolver(registry, Names{})
	service := func(task, params string) string {
		t.Helper()
		bound, err := r.Bind(services.Task{Name: task, Params: []byte(params)})
		require.NoError(t, err)
		require.Empty(t, bound.Model)
		return bound.Service
	}
	require.Equal(t, "second", service("embed", ""), "the first one's model cannot")
	require.Equal(t, "first", service("classify", ""))
	first.serves = "own"
	require.Equal(t, "second", service("classify", `{"labels":["x"]}`), "the first one does not serve the parameters")
	require.Equal(t, "first", service("classify", `{"own":1}`))
	second.can = nil
	require.Equal(t, "first", service("embed", ""), "neither can, and the first one explains why")
	require.Equal(t, "second", service("other", ""))
	found, err := r.Resolve("classify", "b")
	require.NoError(t, err)
	require.Equal(t, "second", found.Service)
}
