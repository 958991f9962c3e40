package jobs

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services/tasks"
)

func TestATranscriptionComesAsItsJobAskedFor(t *testing.T) {
	t.Parallel()
	value := json.RawMessage(`{"text":"HELLO YOU","duration":1,"words":[{"word":"HELLO","start":0,"end":0.4},{"word":"YOU","start":0.5,` +
		`"end":0.9}]}`)
	for params, want := range map[string]struct{ name, begins string }{
		``:                           {"json", `{"text":"HELLO YOU"`},
		`{"response_format":"json"}`: {"json", `{"text":"HELLO YOU"`},
		`{"response_format":"text"}`: {"text", "HELLO YOU\n"},
		`{"response_format":"srt"}`:  {"srt", "1\n00:00:00,000 --> 00:00:00,900\nHELLO YOU\n"},
		`{"response_format":"vtt"}`:  {"vtt", "WEBVTT\n"},
		`{"response_format":"verbose_json","timestamp_granularities":["word"]}`: {"json", `{"task":"transcribe"`},
	} {
		job := jobs.Job{Task: tasks.Transcribe, Params: json.RawMessage(params), Result: &jobs.Result{}}
		result := tasks.NewResult(job.Task)
		forms := resultForms(job, result)
		require.Len(t, forms, 4, params)
		for _, accept := range [][]string{nil, {"*/*"}} {
			form, err := chooseForm(forms, "", accept)
			require.NoError(t, err)
			require.Equal(t, want.name, form.Name, params)
			body, err := encodeResult(job, form, value, result)
			require.NoError(t, err)
			require.Regexp(t, "^"+regexp.QuoteMeta(want.begins), string(body.Text), params)
		}
		form, err := chooseForm(forms, "", []string{"text/plain"})
		require.NoError(t, err)
		require.Equal(t, "text", form.Name, "what the reader names goes before")
	}
}

// TestAPictureComesAsItself has JSON only for those who ask for it.
func TestAPictureComesAsItself(t *testing.T) {
	t.Parallel()
	for params, want := range map[string]string{``: "png", `{"format":"png"}`: "png", `{"format":"svg"}`: "svg"} {
		job := jobs.Job{Task: tasks.Draw, Params: json.RawMessage(params), Result: &jobs.Result{}}
		result := tasks.NewResult(job.Task)
		forms := resultForms(job, result)
		form, err := chooseForm(forms, "", nil)
		require.NoError(t, err)
		require.Equal(t, want, form.Name)
		body, err := encodeResult(job, form, json.RawMessage(`{"kind":"waveform","data":"ZHJhd24="}`), result)
		require.NoError(t, err)
		require.Equal(t, "drawn", string(body.Text))
		form, err = chooseForm(forms, "json", nil)
		require.NoError(t, err)
		require.Nil(t, form.Encode)
	}
	for params, want := range map[string]string{``: "json", `{"format":"dat"}`: "dat"} {
		job := jobs.Job{Task: tasks.ComputePeaks, Params: json.RawMessage(params), Result: &jobs.Result{}}
		form, err := chooseForm(resultForms(job, tasks.NewResult(job.Task)), "", nil)
		require.NoError(t, err)
		require.Equal(t, want, form.Name)
	}
}
