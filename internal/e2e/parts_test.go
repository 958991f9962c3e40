package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every route uses the part of a recording between start and end, and jobs do.
func TestPartsOfRecordings(t *testing.T) {
	t.Parallel()
	s := start(t)
	speech := encoded(t, "speech.ogg") // "mute track one", 1.12 s
	status, whole := s.transcribe(t, speech, "response_format", "verbose_json", "timestamp_granularities[]", "word")
	require.Equal(t, http.StatusOK, status, whole)
	var words struct {
		Duration float64
		Words    []struct {
			Word       string
			Start, End float64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(whole), &words))
	require.Len(t, words.Words, 3)
	from := fmt.Sprint(words.Words[1].Start - 0.06)

	status, body := s.transcribe(t, speech, "response_format", "text", "start", from)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "TRACK ONE\n", body)
	status, body = s.transcribe(t, speech, "response_format", "verbose_json", "end", from)
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"text":"MUTE"`)
	require.Contains(t, body, `"duration":`+from)

	// The times of the result are those of the part.
	status, body = s.transcribe(t, speech, "response_format", "verbose_json", "timestamp_granularities[]", "word", "start", from)
	require.Equal(t, http.StatusOK, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &words))
	require.Equal(t, "TRACK", words.Words[0].Word)
	require.InDelta(t, 0.06, words.Words[0].Start, 0.06)

	status, body = s.convert(t, speech, "container", "pcm", "start", "0.25", "end", "0.5")
	require.Equal(t, http.StatusOK, status)
	require.Len(t, body, 2*4000)

	for _, fields := range [][]string{{"start", "5"}, {"start", "-1"}, {"end", "0"}, {"start", "0.5", "end", "0.2"}, {"start", "soon"}} {
		status, body = s.transcribe(t, speech, fields...)
		require.Equal(t, http.StatusBadRequest, status, body)
		require.Contains(t, body, `"param":"`+fields[len(fields)-2]+`"`, body)
		status, body = s.convert(t, speech, fields...)
		require.Equal(t, http.StatusBadRequest, status, body)
		require.Contains(t, body, `"field":"`+fields[len(fields)-2]+`"`, body)
	}

	job := s.submit(t, `{"task":"transcribe","params":{"start":`+from+`}}`, speech, "Prefer", "wait=60")
	status, body = s.get(t, "/v1/jobs/"+job.ID+"/result")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, "TRACK ONE")
	require.NotContains(t, body, "MUTE")
}

// A question, a conversation and a description are about the part.
func TestQuestionsAboutAPart(t *testing.T) {
	t.Parallel()
	s := start(t)
	sound := soundClip(t, "clip00.wav") // a bell, then a siren
	status, body := s.chat(t, question(t, "What do you hear first?", sound, `,"start":1.1`))
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "A siren.", readCompletion(t, body).Choices[0].Message.Content)
	status, body = s.sendForm(t, "/v1/audio/captions", sound, "question", "What do you hear first?", "start", "1.1")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"text":"A siren."`)

	status, body = s.sendForm(t, "/v1/contexts", sound, "start", "1.1")
	require.Equal(t, http.StatusCreated, status, body)
	var made struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(body), &made))
	conversation := `,"context_id":"` + made.ID + `"`
	status, body = s.chat(t, question(t, "What do you hear first?", nil, conversation))
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "A siren.", readCompletion(t, body).Choices[0].Message.Content)
	status, body = s.chat(t, question(t, "What do you hear first?", nil, conversation+`,"end":0.5`))
	require.Equal(t, http.StatusBadRequest, status, body)
	require.Contains(t, body, "chosen where a conversation begins")
}

// TestEveryRouteTakesAPart sends a start after the end of the recording to every route.
func TestEveryRouteTakesAPart(t *testing.T) {
	t.Parallel()
	dataDir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dataDir, "models"), os.DirFS("services/wav2vec2/testdata/heads")))
	s := startWith(t, options{dataDir: dataDir})
	speech := clip(t, "clip09.wav")
	for route, fields := range map[string][]string{
		"transcriptions": nil, "embeddings": nil, "classifications": nil, "conversions": nil, "captions": nil, "analyses": nil,
		"edits": {"operations", `[{"op":"reverse"}]`},
	} {
		status, body := s.analyse(t, route, speech, append(fields, "start", "0.2", "end", "0.9")...)
		require.Equal(t, http.StatusOK, status, "%s: %s", route, body)
		status, body = s.analyse(t, route, speech, append(fields, "start", "99")...)
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", route, body)
		require.Contains(t, body, "start is 99 s, the recording ends at 1.121 s", route)
	}
	status, body := s.sendForm(t, "/v1/contexts", speech, "start", "99")
	require.Equal(t, http.StatusBadRequest, status, body)
	require.Contains(t, body, "start is 99 s")
}
