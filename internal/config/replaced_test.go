package config

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReplacedKeysStillLoad loads a configuration with keys that audio.maxDuration has
// replaced: they apply as before, and each is reported; without them they do not exist.
func TestReplacedKeysStillLoad(t *testing.T) {
	t.Parallel()
	plain, err := Load(Source{})
	require.NoError(t, err)
	require.Empty(t, plain.Warnings())
	var out bytes.Buffer
	require.NoError(t, plain.WriteOrigins(&out))
	require.NotContains(t, out.String(), "wav2vec2.maxSeconds")
	require.NotContains(t, out.String(), "gama.maxSeconds")
	require.Contains(t, out.String(), "audioldm.maxSeconds", "of a sound that is made, not of a recording")

	old, err := Load(Source{
		File:    yamlFile(t, "services: {wav2vec2: {maxSeconds: 600}, gama: {maxSeconds: 3600}}"),
		Environ: []string{"GRYM_SERVICES__GAMA__MAX_SECONDS=60"},
	})
	require.NoError(t, err)
	const by = " is replaced by audio.maxDuration, which limits every task; it still lowers the limit for "
	require.Equal(t, []string{
		"GRYM_SERVICES__GAMA__MAX_SECONDS: services.gama.maxSeconds" + by + "gama",
		"settings.yaml: services.wav2vec2.maxSeconds" + by + "wav2vec2",
	}, old.Warnings())
	out.Reset()
	require.NoError(t, old.WriteOrigins(&out))
	require.Contains(t, out.String(), "services.wav2vec2.maxSeconds: 600  # settings.yaml")
	require.Contains(t, out.String(), "services.gama.maxSeconds: 60  # GRYM_SERVICES__GAMA__MAX_SECONDS")

	for _, bad := range []string{"0", "-1", "86401", ".nan", "long"} {
		for _, service := range []string{"wav2vec2", "gama"} {
			_, err = Load(Source{File: yamlFile(t, "services: {"+service+": {maxSeconds: "+bad+"}}")})
			require.ErrorContains(t, err, "services."+service, bad)
		}
	}
}
