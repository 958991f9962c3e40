package orchestrator

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// present is a choir that knows which of its models are loaded.
type present struct {
	*choir
	loaded string
}

func (p *present) ModelLoaded(name string) bool { return name == p.loaded }

func (p *present) Status() services.ServiceStatus { return services.ServiceStatus{ModelsLoaded: 1} }

// TestAUnitKnowsWhetherItsOwnModelIsLoaded has one model of three loaded. A canary of
// another one would load that.
func TestAUnitKnowsWhetherItsOwnModelIsLoaded(t *testing.T) {
	t.Parallel()
	service := &present{choir: newChoir("good", "other"), loaded: "good"}
	o, entry, _, _ := rehearse(service)
	require.Empty(t, sing(t, o, "good"))
	require.Empty(t, sing(t, o, "other"))
	loaded := func() (counts []int) {
		for _, unit := range entry.all() {
			counts = append(counts, unit.Status().ModelsLoaded)
		}
		return counts
	}
	require.Equal(t, []int{0, 1, 0}, loaded())
	service.loaded = "echo-tiny"
	require.Equal(t, []int{1, 0, 0}, loaded())
}
