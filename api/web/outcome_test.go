package web

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestEachCodeOfAWarningComesOnce(t *testing.T) {
	t.Parallel()
	require.Equal(t, "unknown_field, truncated", warningTokens([]services.Warning{
		{Code: services.WarnUnknownField, Field: "a"}, {Code: services.WarnUnknownField, Field: "b"}, {Code: services.WarnTruncated},
	}))
	require.Empty(t, warningTokens(nil))
}
