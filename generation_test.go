package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
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
	require.Len(t, siren, 44+2*40960, "2.56 s at 16 kHz, to the sample")
	require.Greater(t, loudness(siren[44:]), 0.01, "it is no silence")

	_, again := s.generate(t, `{"prompt":"a rising siren","seed":7}`)
	require.Equal(t, siren, again, "a seed means the same samples")
	_, other := s.generate(t, `{"prompt":"a rising siren","seed":8}`)
	require.NotEqual(t, siren, other)

	response, flac := s.generate(t, `{"prompt":"rain","audio_length_in_s":0.29,"scheduler":"ddim","num_inference_steps":5}`, "Accept", "audio/flac")
	require.Equal(t, http.StatusOK, response.StatusCode, string(flac))
	require.Equal(t, "fLaC", string(flac[:4]))
	require.NotEmpty(t, response.Header.Get("Grym-Seed"), "a drawn seed is told")

	_, body := s.generate(t, `{"prompt":"a bell","seed":1,"audio_length_in_s":0.29,"response_format":"pcm"}`, "Accept", "application/json")
	var answer struct {
		Model, Scheduler, Audio string
		Length                  float64 `json:"audio_length_in_s"`
		Seed                    int
	}
	require.NoError(t, json.Unmarshal(body, &answer), string(body))
	samples, err := base64.StdEncoding.DecodeString(answer.Audio)
	require.NoError(t, err)
	require.Len(t, samples, 2*4640)
	require.InDelta(t, 0.29, answer.Length, 1e-9)
	require.Equal(t, "audioldm-tiny dpmsolver++", answer.Model+" "+answer.Scheduler)
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
		`{"prompt":"x","eta":0.5}`:                                    {400, []string{"eta goes with scheduler ddim only"}},
		`{"prompt":"x","response_format":"flac","bit_depth":"float"}`: {400, []string{"bit_depth"}},
		`{"prompt":"x","model":"wav2vec2-tiny"}`:                      {400, []string{"is of type", "wav2vec2"}},
		`{"prompt":"x","model":"other"}`:                              {404, []string{"does not exist; there is audioldm-tiny"}},
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
