package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheClientsVariablesAreNoSettings checks that a local command works in a shell that is
// set up for another server.
func TestTheClientsVariablesAreNoSettings(t *testing.T) {
	t.Parallel()
	environ := []string{"GRYM_API_KEY=grym_1=2", "GRYM_API_KEY_FILE=/run/key"}
	_, err := Load(Source{Environ: environ})
	require.NoError(t, err)
	key, file := ClientKey(environ)
	require.Equal(t, []string{"grym_1=2", "/run/key"}, []string{key, file})
	_, err = Load(Source{Environ: []string{"GRYM_API_KEYS=x"}})
	require.ErrorContains(t, err, "GRYM_API_KEYS: not a setting")
}
