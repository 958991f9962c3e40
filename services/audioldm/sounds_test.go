package audioldm

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/models"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
)

// TestPromptsOfSoundsThatTheModelLearnt has prompts as people write them.
func TestPromptsOfSoundsThatTheModelLearnt(t *testing.T) {
	t.Parallel()
	list, err := readSounds(embedded(t))
	require.NoError(t, err)
	require.Len(t, list.kinds, 20)
	for _, prompt := range []string{
		"rain", "The sound of heavy RAIN.", "a hi-hat pattern", "white noise", "some noise", "noise", "waves on a beach",
		"I need a low church bell!",
		"a car engine in the distance", "make the noise of a police siren",
		"high pitched laser-zap", "sine wave", "drum kick", "birds chirping",
	} {
		require.True(t, list.known(prompt), prompt)
	}
	for _, prompt := range []string{
		"a dog barking", "the noise of a dog", "make the noise a cow makes", "jazz music", "people talking in a restaurant", "zq", "brainstorm",
		"a low rising sound", "wave goodbye", "Regen auf einem Dach", "", "...",
	} {
		require.False(t, list.known(prompt), prompt)
	}
}

// embedded returns the folder of the embedded model.
func embedded(t *testing.T) modelstore.Folder {
	t.Helper()
	files, err := modelstore.NewCatalog(models.FS, "").Find("audioldm-tiny", pipelineClass)
	require.NoError(t, err)
	return files
}

// TestUnknownPromptsAreReported asks the embedded model.
func TestUnknownPromptsAreReported(t *testing.T) {
	t.Parallel()
	list, err := readSounds(embedded(t))
	require.NoError(t, err)
	m := &model{name: "audioldm-tiny", sounds: list}
	require.Empty(t, m.unknown("rain on a roof"))
	warnings := m.unknown("a dog barking")
	require.Len(t, warnings, 1)
	require.Equal(t, services.WarnUnknownPrompt, warnings[0].Code)
	require.Equal(t, "prompt", warnings[0].Field)
	require.Contains(t, warnings[0].Message, "audioldm-tiny learnt: sine, chirp, noise, kick, snare,")
	require.Empty(t, (&model{name: "other"}).unknown("a dog barking"), "without a list")
	list.kinds = strings.Fields(strings.Repeat("x ", 100))
	require.Less(t, len(m.unknown("a dog barking")[0].Message), 300)
}

// TestSoundsFileIsChecked has invalid lists.
func TestSoundsFileIsChecked(t *testing.T) {
	t.Parallel()
	text, err := fs.ReadFile(models.FS, "audioldm-tiny/"+soundsFile)
	require.NoError(t, err)
	require.NotEmpty(t, text)
	for list, problem := range map[string]string{
		"rain":                          `x/sounds.txt: line 1 must have a kind of sound, a colon and names, got "rain"`,
		"\nrain: ,,\n":                  `x/sounds.txt: line 2 must have`,
		strings.Repeat("rain: a ", 1e3): `x/sounds.txt: must have lines of at most 4096 bytes`,
	} {
		_, err := parseSounds([]byte(list))
		require.ErrorContains(t, err, strings.TrimPrefix(problem, "x/sounds.txt: "))
	}
}
