package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// storeSound stores a recording and gives its id.
func (s *server) storeSound(t *testing.T, sound []byte) string {
	t.Helper()
	status, body := s.send(t, http.MethodPost, "/v1/audio", "audio/wav", bytes.NewReader(sound))
	require.Contains(t, []int{http.StatusCreated, http.StatusOK}, status, body) // OK: it was there
	var audio struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(body), &audio))
	return audio.ID
}

// sendOnly posts a form without a file.
func (s *server) sendOnly(t *testing.T, path string, fields ...string) (int, string) {
	t.Helper()
	body, kind := form(t, nil, fields...)
	return s.send(t, http.MethodPost, path, kind, body)
}

// work submits a job, follows it to its end, and gives the progress it told and its
// result.
func (s *server) work(t *testing.T, request string) (progress []float64, result string) {
	t.Helper()
	status, body := s.send(t, http.MethodPost, "/v1/jobs", "application/json", strings.NewReader(request))
	require.Equal(t, http.StatusAccepted, status, body)
	var job struct{ ID, Status string }
	require.NoError(t, json.Unmarshal([]byte(body), &job))
	status, events := s.get(t, "/v1/jobs/"+job.ID+"/events") // until the end
	require.Equal(t, http.StatusOK, status, events)
	for line := range strings.SplitSeq(events, "\n") {
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var told struct {
			Status   string
			Progress float64
		}
		require.NoError(t, json.Unmarshal([]byte(data), &told), data)
		job.Status = told.Status
		progress = append(progress, told.Progress)
	}
	require.Equal(t, "succeeded", job.Status, events)
	status, result = s.get(t, "/v1/jobs/"+job.ID+"/result")
	require.Equal(t, http.StatusOK, status, result)
	return progress, result
}

// TestQuestionsAsJobs has long sound described piece by piece, and questions about
// sound that the server keeps.
func TestQuestionsAsJobs(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.storeSound(t, soundClip(t, "clip00.wav"))
	_, result := s.work(t, `{"service":"gama","task":"ask","params":{"question":"What do you hear first?","temperature":0},"audio_id":"`+id+`"}`)
	var answer tasks.Answer
	require.NoError(t, json.Unmarshal([]byte(result), &answer), result)
	require.Equal(t, "A bell.", answer.Text)
	require.Equal(t, tasks.FinishStop, answer.FinishReason)

	status, body := s.chat(t, `{"temperature":0,"messages":[{"role":"user","content":[{"type":"text","text":"What do you hear first?"},{"type":"input_audio","input_audio":{"audio_id":"`+id+`"}}]}]}`)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "A bell.", readCompletion(t, body).Choices[0].Message.Content)
	status, body = s.chat(t, `{"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"input_audio","input_audio":{"audio_id":"`+strings.Repeat("0", 64)+`"}}]}]}`)
	require.Equal(t, http.StatusNotFound, status, body)
	require.Contains(t, body, "messages[0].content[1].input_audio.audio_id")

	status, body = s.sendOnly(t, "/v1/contexts", "audio_id", id)
	require.Equal(t, http.StatusCreated, status, body)
	status, body = s.sendOnly(t, "/v1/audio/captions", "audio_id", id, "question", "What do you hear first?")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"text":"A bell."`)
	status, body = s.sendOnly(t, "/v1/audio/captions", "question", "x", "seed", "y")
	require.Equal(t, http.StatusBadRequest, status, body)
	require.Contains(t, body, "or name a stored one in audio_id")
	require.Contains(t, body, "seed")

	// 40 s are four windows and more.
	clip := soundClip(t, "clip00.wav")
	long := repeated(clip, 40*16000)
	progress, result := s.work(t, `{"service":"gama","task":"caption","audio_id":"`+s.storeSound(t, long)+`"}`)
	require.NoError(t, json.Unmarshal([]byte(result), &answer), result)
	require.Len(t, answer.Pieces, 4)
	require.InDelta(t, 40, answer.DurationSeconds, 1e-6)
	require.InDelta(t, 40, answer.Pieces[3].End, 1e-6)
	require.Equal(t, 4, strings.Count(answer.Text, " s: "), answer.Text)
	require.IsNonDecreasing(t, progress)
}

// repeated plays the samples of a WAV file with a head of 44 bytes again and again.
func repeated(clip []byte, samples int) []byte {
	sound := append([]byte(nil), clip[:44]...)
	for len(sound) < 44+2*samples {
		sound = append(sound, clip[44:]...)
	}
	sound = sound[:44+2*samples]
	put := func(at, v int) {
		for i := range 4 {
			sound[at+i] = byte(v >> (8 * i))
		}
	}
	put(4, len(sound)-8)
	put(40, 2*samples)
	return sound
}

// TestAConversationSurvivesAKilledServer has the process killed between a question
// and its follow-up.
func TestAConversationSurvivesAKilledServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, "--data-dir", dir)
	status, body := s.chat(t, question(t, "What do you hear first?", soundClip(t, "clip00.wav"), `,"temperature":0,"context_id":"new"`))
	require.Equal(t, http.StatusOK, status, body)
	id := readCompletion(t, body).ContextID
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGKILL))
	s.done <- <-s.done

	s = start(t, "--data-dir", dir)
	status, body = s.get(t, "/v1/contexts/"+id)
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"answer":"A bell."`)
	status, body = s.chat(t, question(t, "What can be heard in this clip?", nil, `,"temperature":0,"context_id":"`+id+`"`))
	require.Equal(t, http.StatusOK, status, body)
	answer := readCompletion(t, body)
	require.Equal(t, "I hear a bell, then a siren.", answer.Choices[0].Message.Content)
	require.Zero(t, answer.Usage.Details.Cached, "what was in memory is computed again")
}
