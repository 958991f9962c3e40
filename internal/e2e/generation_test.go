package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// generated is a whole answer.
type generated struct {
	StatusCode int
	Header     http.Header
}

// generate posts a request.
func (s *server) generate(t *testing.T, body string, headers ...string) (generated, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/generations", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var answer bytes.Buffer
	_, err = answer.ReadFrom(response.Body)
	require.NoError(t, err)
	return generated{response.StatusCode, response.Header}, answer.Bytes()
}

func TestSoundFromWords(t *testing.T) {
	t.Parallel()
	s := start(t)
	response, siren := s.generate(t, `{"prompt":"a rising siren","seed":7}`, "Accept", "audio/wav")
	require.Equal(t, http.StatusOK, response.StatusCode, string(siren))
	require.Equal(t, "audio/wav", response.Header.Get("Content-Type"))
	require.Equal(t, "7", response.Header.Get("Grym-Seed"))
	require.EqualValues(t, 2*40960, binary.LittleEndian.Uint32(siren[40:44]), "2.56 s at 16 kHz, to the sample")
	require.Greater(t, loudness(siren[44:44+2*40960]), 0.01, "it is no silence")
	require.Contains(t, string(siren[44+2*40960:]), `"prompt":"a rising siren","seed":7`, "it tells how it was made")

	_, again := s.generate(t, `{"prompt":"a rising siren","seed":7}`, "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, siren, again, "a seed means the same samples, and curl -d may leave out the type")
	_, other := s.generate(t, `{"prompt":"a rising siren","seed":8}`)
	require.NotEqual(t, siren, other)

	response, flac := s.generate(t, `{"prompt":"rain","audio_length_in_s":0.29,"scheduler":"ddim","num_inference_steps":5}`, "Accept",
		"audio/flac")
	require.Equal(t, http.StatusOK, response.StatusCode, string(flac))
	require.Equal(t, "fLaC", string(flac[:4]))
	require.NotEmpty(t, response.Header.Get("Grym-Seed"), "a drawn seed is told")
	require.Contains(t, string(flac), "PROMPT=rain")
	require.Contains(t, string(flac), "SEED="+response.Header.Get("Grym-Seed"))
}

// generations is the answer in JSON.
type generations struct {
	Model, Scheduler string
	Length           float64 `json:"audio_length_in_s"`
	Rate             int     `json:"sample_rate"`
	Waveforms        int     `json:"num_waveforms_per_prompt"`
	Scores           []float64
	Order            []int
	RankedBy         string `json:"ranked_by"`
	Sounds           []struct {
		ContentType string `json:"content_type"`
		Bytes       int
		Audio       []byte
	}
}

func (s *server) generations(t *testing.T, body string) (answer generations) {
	t.Helper()
	response, data := s.generate(t, body, "Accept", "application/json")
	require.Equal(t, http.StatusOK, response.StatusCode, string(data))
	require.NoError(t, json.Unmarshal(data, &answer), string(data))
	return answer
}

func TestSeveralSoundsOfOnePrompt(t *testing.T) {
	t.Parallel()
	s := start(t)
	const body = `{"prompt":"a bell","seed":1,"num_inference_steps":4,"scheduler":"ddim","audio_length_in_s":0.29,"response_format":"pcm"`
	one := s.generations(t, body+`}`)
	require.Equal(t, "audioldm-tiny ddim", one.Model+" "+one.Scheduler)
	require.InDelta(t, 0.29, one.Length, 1e-9)
	require.Len(t, one.Sounds, 1)
	require.Len(t, one.Sounds[0].Audio, 2*4640)
	require.Equal(t, "audio/pcm;rate=16000;channels=1;encoding=pcm_s16le", one.Sounds[0].ContentType)

	three := s.generations(t, body+`,"num_waveforms_per_prompt":3,"sample_rate":48000,"bit_depth":"float"}`)
	require.Equal(t, 3, three.Waveforms)
	require.Equal(t, 48000, three.Rate)
	require.Len(t, three.Sounds, 3)
	seen := make(map[string]bool)
	for _, sound := range three.Sounds {
		require.Equal(t, "audio/pcm;rate=48000;channels=1;encoding=pcm_f32le", sound.ContentType)
		require.Len(t, sound.Audio, 3*4*4640)
		require.Equal(t, len(sound.Audio), sound.Bytes)
		seen[string(sound.Audio)] = true
	}
	require.Len(t, seen, 3, "they differ")
	// The noise of a batch begins with that of one.
	again := s.generations(t, body+`,"num_waveforms_per_prompt":2,"rank":false}`)
	require.Equal(t, one.Sounds[0].Audio, again.Sounds[0].Audio)
	require.Empty(t, again.Scores)

	ranked := s.generations(t, body+`,"num_waveforms_per_prompt":2}`)
	require.Equal(t, "clap-tiny", ranked.RankedBy)
	require.Len(t, ranked.Scores, 2)
	require.IsNonIncreasing(t, ranked.Scores)
	require.ElementsMatch(t, []int{0, 1}, ranked.Order)
	for i, n := range ranked.Order {
		require.Equal(t, again.Sounds[n].Audio, ranked.Sounds[i].Audio)
	}

	response, answer := s.generate(t, body+`,"num_waveforms_per_prompt":3}`)
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Contains(t, string(answer), "Accept: application/json")
}

func TestASoundThatDoesNotFitIsRefusedWithItsBytes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte("services: {audioldm: {maxMemory: 60MiB}}\nreadiness: {required: []}\n"), 0o600))
	s := start(t, "--config", file)
	response, answer := s.generate(t, `{"prompt":"rain","audio_length_in_s":60}`)
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode, string(answer))
	require.Regexp(t, `needs \d{8,} bytes of memory .*audioldm may use 62914560`, string(answer))
	response, answer = s.generate(t, `{"prompt":"rain","audio_length_in_s":2.5,"num_inference_steps":2}`)
	require.Equal(t, http.StatusOK, response.StatusCode, "the model does not fit whole, and its parts do: %s", answer)
}

// loudness is the root mean square of 16-bit samples.
func loudness(data []byte) float64 {
	sum := 0.0
	for i := 0; i+1 < len(data); i += 2 {
		v := float64(int16(uint16(data[i])|uint16(data[i+1])<<8)) / 32768
		sum += v * v
	}
	return math.Sqrt(sum / float64(len(data)/2))
}

func TestWrongGenerationsAreExplained(t *testing.T) {
	t.Parallel()
	s := start(t)
	for body, want := range map[string]struct {
		status int
		says   []string
	}{
		`{"promt":"x"}`: {400, []string{"promt", "prompt"}},
		`{`:             {400, []string{"JSON"}},
		`{"prompt":"x","seed":-1,"num_inference_steps":1000}`:         {400, []string{"seed", "num_inference_steps", "500"}},
		`{"prompt":"x","audio_length_in_s":100}`:                      {400, []string{"audio_length_in_s must be from 0.1 to 60, got 100"}},
		`{"prompt":"x","eta":0.5}`:                                    {400, []string{"eta applies to scheduler ddim only"}},
		`{"prompt":"x","response_format":"flac","bit_depth":"float"}`: {400, []string{"bit_depth"}},
		`{"prompt":"x","sample_rate":4000}`:                           {400, []string{"sample_rate", "8000"}},
		`{"prompt":"x","num_waveforms_per_prompt":11}`:                {400, []string{"num_waveforms_per_prompt", "10"}},
		`{"prompt":"x","model":"wav2vec2-tiny"}`:                      {400, []string{"is of type", "wav2vec2"}},
		`{"prompt":"x","model":"other"}`:                              {404, []string{"does not exist; available: audioldm-tiny"}},
		`{"prompt":"` + strings.Repeat("x", 1<<20) + `"}`:             {413, []string{"1048576 bytes"}},
	} {
		response, answer := s.generate(t, body)
		require.Equal(t, want.status, response.StatusCode, "%.80s: %s", body, answer)
		for _, text := range want.says {
			require.Contains(t, string(answer), text, "%.80s", body)
		}
	}
	response, answer := s.generate(t, `{}`, "Content-Type", "text/plain")
	require.Equal(t, http.StatusUnsupportedMediaType, response.StatusCode, string(answer))
}

// TestAJobOfSeveralSoundsKeepsThemAll submits a job, waits for it by Prefer, and
// fetches what it stored: the sounds that the route returns for the same request.
func TestAJobOfSeveralSoundsKeepsThemAll(t *testing.T) {
	t.Parallel()
	s := start(t)
	const params = `{"prompt":"a bell","seed":1,"num_inference_steps":3,"audio_length_in_s":0.3,"num_waveforms_per_prompt":2}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/jobs",
		strings.NewReader(`{"service":"audioldm","params":`+params+`}`))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Prefer", "wait=60")
	code, body := do(t, request)
	require.Equal(t, http.StatusOK, code, body)
	type stored struct {
		ID    string `json:"audio_id"`
		Bytes int
	}
	var job struct {
		Status string
		Sound  stored
		More   []stored `json:"more_sounds"`
		Result struct {
			Seed      int
			Waveforms int `json:"num_waveforms_per_prompt"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &job), body)
	require.Equal(t, "succeeded", job.Status, body)
	require.Equal(t, 2, job.Result.Waveforms)
	direct := s.generations(t, params)
	require.Len(t, job.More, 1, body)
	for i, sound := range append([]stored{job.Sound}, job.More...) {
		code, file := s.get(t, "/v1/audio/"+sound.ID)
		require.Equal(t, http.StatusOK, code)
		require.Len(t, file, sound.Bytes)
		require.Equal(t, string(direct.Sounds[i].Audio), file)
	}
}
