package pipelines

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/pipelines"
	"github.com/grym-synth/grym-synth/services"
)

func TestOutcomesHaveTheOrderOfTheSteps(t *testing.T) {
	item := func(step string, index int) pipelines.Outcome { return pipelines.Outcome{Step: step, Index: &index} }
	ended := []pipelines.Outcome{item("b", 10), {Step: "c"}, item("b", 2), {Step: "a"}, item("b", 0)}
	sortOutcomes(ended, []services.StepProgress{{ID: "a"}, {ID: "b"}, {ID: "c"}})
	require.Equal(t, []pipelines.Outcome{{Step: "a"}, item("b", 0), item("b", 2), item("b", 10), {Step: "c"}}, ended)
}
