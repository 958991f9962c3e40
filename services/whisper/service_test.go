package whisper

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestWithoutModels starts, and refuses tasks.
func TestWithoutModels(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	require.NoError(t, s.Initialize(t.Context()))
	_, _, err := s.transcribe(t.Context(), "", `{}`, written(t, made(16000)))
	require.ErrorContains(t, err, "whisper-base")
}

// TestTheTextOfAWindow has the parameters' effects on the folder random: a repetition has
// the same result, times are within the recording and in order, and a part of the recording
// is that part.
func TestTheTextOfAWindow(t *testing.T) {
	t.Parallel()
	s := serve(t, testdata)
	long := made(100000)
	first, _, err := s.transcribe(t.Context(), "random", `{"language":"de"}`, written(t, long))
	require.NoError(t, err)
	require.Equal(t, "de", first.Language)
	require.False(t, first.Translated)
	require.NotEmpty(t, first.Cuts)
	last := 0.0
	for _, w := range first.Words {
		require.GreaterOrEqual(t, w.Start, last)
		require.GreaterOrEqual(t, w.End, w.Start)
		last = w.Start
	}
	again, _, err := s.transcribe(t.Context(), "random", `{"language":"de"}`, written(t, long))
	require.NoError(t, err)
	require.Equal(t, first, again)

	translated, result, err := s.transcribe(t.Context(), "random", `{"translate":true,"window_seconds":5}`, written(t, long))
	require.NoError(t, err)
	require.True(t, translated.Translated)
	require.Contains(t, []string{"en", "de"}, translated.Language, "detected")
	require.NotEqual(t, first.Text, translated.Text)
	require.Len(t, result.Warnings, 1)
	require.Equal(t, "window_seconds", result.Warnings[0].Field)

	part, _, err := s.transcribe(t.Context(), "random", `{"language":"de","start":1,"end":2.5}`, written(t, long))
	require.NoError(t, err)
	alone, _, err := s.transcribe(t.Context(), "random", `{"language":"de"}`, written(t, long[16000:40000]))
	require.NoError(t, err)
	require.Equal(t, alone.Text, part.Text)
	require.InDelta(t, 1.5, part.DurationSeconds, 1e-9)
}

// TestSilenceHasNoText neither begins nor ends.
func TestSilenceHasNoText(t *testing.T) {
	t.Parallel()
	got, _, err := serve(t, testdata).transcribe(t.Context(), "random", `{}`, written(t, make([]float32, 20000)))
	require.NoError(t, err)
	require.Empty(t, got.Text)
	require.NotNil(t, got.Words)
	require.Empty(t, got.Words)
}

// TestUnknownLanguages are refused with the known ones.
func TestUnknownLanguages(t *testing.T) {
	t.Parallel()
	s := serve(t, testdata)
	sound := written(t, made(16000))
	for params, text := range map[string]string{
		`{"language":"fr"}`:    "it knows de, en",
		`{"language":"en-US"}`: "",
		`{"temperature":2}`:    "temperature",
		`{"prompt":7}`:         "prompt",
	} {
		_, _, err := s.transcribe(t.Context(), "random", params, sound)
		if text == "" {
			require.NoError(t, err, params)
			continue
		}
		require.ErrorContains(t, err, text, params)
		var fault *services.Fault
		require.ErrorAs(t, err, &fault, params)
		require.Equal(t, services.KindInvalid, fault.Kind, params)
	}
}

// TestModelsThatTranslate are those of several languages that have the token of the task.
func TestModelsThatTranslate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, change := range map[string]func(file, text string) string{
		"b-many": func(_, text string) string { return text },
		"a-english": func(file, text string) string {
			return strings.ReplaceAll(text, `"is_multilingual": true`, `"is_multilingual": false`)
		},
		"a-untaught": func(file, text string) string { return strings.ReplaceAll(text, "<|translate|>", "<|other|>") },
	} {
		require.NoError(t, os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(testdata, "random"))))
		for _, file := range []string{"generation_config.json", "tokenizer.json"} {
			data, err := os.ReadFile(filepath.Join(dir, name, file))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name, file), []byte(change(file, string(data))), 0o600))
		}
	}
	s := serve(t, dir)
	translate := services.Task{Service: Name, Name: tasks.Translate, Audio: written(t, made(16000))}
	require.Equal(t, "b-many", s.ModelFor(translate))
	require.Equal(t, "a-english", s.ModelFor(services.Task{Service: Name, Name: tasks.Transcribe}))
	for model, why := range map[string]string{
		"a-english":  "model a-english cannot translate: it knows English only",
		"a-untaught": "model a-untaught cannot translate: its tokenizer has no <|translate|>",
	} {
		require.False(t, s.CanDo(model, tasks.Translate))
		require.True(t, s.CanDo(model, tasks.Transcribe))
		translate.Model = model
		_, err := s.Prepare(t.Context(), translate)
		require.ErrorContains(t, err, why)
		_, _, err = s.transcribe(t.Context(), model, `{"translate":true}`, translate.Audio)
		require.ErrorContains(t, err, "translate must be false: "+model)
	}
}
