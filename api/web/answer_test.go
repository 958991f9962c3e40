package web

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestAnAnswerNamesTheModelWhereThereIsOne has services with models and without.
func TestAnAnswerNamesTheModelWhereThereIsOne(t *testing.T) {
	t.Parallel()
	count := map[string]int{"words": 3}
	for _, c := range []struct {
		result services.TaskResult
		want   string
	}{
		{services.TaskResult{Model: "tiny", Value: count}, `{"model":"tiny","words":3}`},
		{services.TaskResult{Value: count}, `{"words":3}`},
		{services.TaskResult{Model: "tiny", Value: struct{}{}}, `{"model":"tiny"}`},
		{services.TaskResult{Value: struct{}{}}, `{}`},
	} {
		text, err := new(Route).describe(c.result)
		require.NoError(t, err)
		require.Equal(t, c.want, string(text))
	}
}
