package e2e

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTranscriptionOfHeldOutVoices compares the words with those of another
// implementation's tokenizer on the same model, for every committed clip.
func TestTranscriptionOfHeldOutVoices(t *testing.T) {
	t.Parallel()
	s := start(t)
	var golden []struct {
		File string
		Text string `json:"ctc_text"`
	}
	data, err := os.ReadFile(clips + "clips.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &golden))
	require.GreaterOrEqual(t, len(golden), 20)
	for _, g := range golden {
		status, body := s.transcribe(t, clip(t, g.File), "model", "wav2vec2-tiny", "response_format", "text", "decoding", "greedy")
		require.Equal(t, http.StatusOK, status, body)
		require.Equal(t, g.Text+"\n", body, g.File)
	}
	status, body := s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `{"text":"MUTE TRACK ONE","usage":{"type":"duration","seconds":`)

	status, body = s.transcribe(t, clip(t, "clip09.wav"), "response_format", "verbose_json", "language", "en")
	require.Equal(t, http.StatusOK, status)
	var verbose struct {
		Task, Language, Text string
		Duration             float64
		Words                []struct {
			Word       string
			Start, End float64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &verbose))
	require.Equal(t, "en", verbose.Language)
	require.Len(t, verbose.Words, 3)
	for i, w := range verbose.Words {
		require.Less(t, w.Start, w.End)
		require.LessOrEqual(t, w.End, verbose.Duration)
		require.True(t, i == 0 || w.Start >= verbose.Words[i-1].End)
	}
}

// TestWrongInputIsExplained checks the error messages for invalid input.
func TestWrongInputIsExplained(t *testing.T) {
	t.Parallel()
	s := start(t)
	speech := clip(t, "clip09.wav")
	notANumber := wav(16000, 1, 16000)
	for i := 44; i < len(notANumber); i += 4 {
		binary.LittleEndian.PutUint32(notANumber[i:], math.Float32bits(float32(math.NaN())))
	}
	for name, c := range map[string]struct {
		audio  []byte
		fields []string
		status int
		says   []string
	}{
		"text file":       {[]byte("hello, this is not audio\n"), nil, 415, []string{"WAV", "text"}},
		"empty file":      {[]byte{}, nil, 400, []string{"empty"}},
		"no numbers":      {notANumber, nil, 400, []string{"not a usable number (NaN"}},
		"an archive":      {append([]byte("PK\x03\x04"), make([]byte, 4000)...), nil, 415, []string{"file is", "accepted: WAV"}},
		"missing file":    {nil, nil, 400, []string{"file is missing"}},
		"unknown model":   {speech, []string{"model", "whisper-9"}, 404, []string{"whisper-9", "wav2vec2-tiny", "whisper-1", "model_not_found"}},
		"model with path": {speech, []string{"model", "../secret"}, 404, []string{"does not exist"}},
		"refused field":   {speech, []string{"known_speaker_names[]", "me"}, 400, []string{"known_speaker_names[] is not"}},
		"odd stream":      {speech, []string{"stream", "perhaps"}, 400, []string{"stream must be"}},
		"streamed srt":    {speech, []string{"stream", "true", "response_format", "srt"}, 400, []string{"stream requires"}},
		"odd window":      {speech, []string{"window_seconds", "99"}, 400, []string{"window_seconds must be 0 or from 1 to 30"}},
		"no audio":        {[]byte("hello, this is not audio\n"), []string{"stream", "true"}, 415, []string{"WAV", "text"}},
		"several at once": {speech, []string{"response_format", "xml", "temperature", "hot"}, 400, []string{"response_format must be",
			"temperature must be"}},
		"too long": {wav(16000, 1, 31*16000), []string{"window_seconds", "0"}, 413, []string{"31", "30"}},
	} {
		status, body := s.transcribe(t, c.audio, c.fields...)
		t.Logf("%s: %d %s", name, status, body)
		require.Equal(t, c.status, status, name)
		for _, text := range c.says {
			require.Contains(t, body, text, name)
		}
		require.Contains(t, body, `"request_id"`, name)
	}
	for name, cut := range map[string][]byte{
		"truncated WAV": speech[:len(speech)/2],
		"a huge claim": append([]byte("RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00"+
			"\x02\x00\x10\x00data\x00\x00\x00\x10"), 1, 2, 3, 4),
	} {
		body, contentType := form(t, cut)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/transcriptions", body)
		require.NoError(t, err)
		request.Header.Set("Content-Type", contentType)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode, name)
		require.Contains(t, response.Header.Get("Grym-Warning"), "truncated", name)
	}
	status, body := s.transcribe(t, wav(192000, 8, 2*192000))
	t.Logf("192 kHz, 8 channels, float: %d %s", status, body)
	require.Equal(t, http.StatusOK, status, body)
}

// TestAloneInAnEmptyFolder runs a copy of the binary in an otherwise empty folder.
func TestAloneInAnEmptyFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, err := os.ReadFile(program)
	require.NoError(t, err)
	alone := filepath.Join(dir, "grym-synth")
	require.NoError(t, os.WriteFile(alone, data, 0o755))
	speech, err := filepath.Abs(clips + "clip01.wav")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), alone, "transcribe", speech)
	cmd.Dir, cmd.Env = dir, []string{}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "ONE FIVE NINE TWO\n", string(out))
}

// TestReferenceConfigurationIsShown starts from the two blocks that the
// architecture defines, unchanged.
func TestReferenceConfigurationIsShown(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "reference.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`systemHardening:
  healthMonitoring:
    enabled: true
    checkInterval: 30000
  performanceMonitoring:
    enabled: true
    checkInterval: 5000
  errorRecovery:
    enabled: true
    maxAttempts: 3
  resourceManagement:
    enabled: true
    maxMemory: "4GB"
services:
  audioProcessor:
    maxMemory: "2GB"
    recoverable: true
  modelService:
    maxMemory: "4GB"
    recoverable: true
`), 0o600))
	out, err := exec.CommandContext(t.Context(), program, "config", "--config", file, "--origins").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, line := range []string{
		"systemHardening.healthMonitoring.checkInterval: 30s  # reference.yaml",
		"systemHardening.resourceManagement.maxMemory: 4GB  # reference.yaml",
		"services.audioProcessor.maxMemory: 2GB  # reference.yaml",
		"services.wav2vec2.maxMemory: 4GB  # services.modelService.maxMemory",
	} {
		require.Contains(t, string(out), line)
	}
}

func TestProbesAndListings(t *testing.T) {
	t.Parallel()
	s := start(t)
	for path, want := range map[string]string{
		"/livez": "ok", "/readyz": `"ready":true`, "/readyz/wav2vec2": `"ready":true`, "/healthz": `"status":"healthy"`,
		"/version": `"onnxruntime":"1.30.0"`, "/v1/models": `"id":"wav2vec2-tiny"`, "/openapi.json": `"createTranscription"`,
		"/metrics": `grym_inference_requests_total{model="wav2vec2-tiny",outcome="success",service="wav2vec2"} 0`,
	} {
		status, body := s.get(t, path)
		require.Equal(t, http.StatusOK, status, path)
		require.Contains(t, body, want, path)
	}
	status, body := s.get(t, "/v1/nothing")
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, body, "no_such_route")

	addr := strings.TrimPrefix(s.url, "http://")
	out, err := exec.CommandContext(t.Context(), program, "healthcheck", "--listen", addr).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, s.stop(t), s.log)
	out, err = exec.CommandContext(t.Context(), program, "healthcheck", "--listen", addr).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "not reachable")
}

// TestHangUpStopsTheInference relies on the outcome, which is known only after
// the run has ended.
func TestHangUpStopsTheInference(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx, hangUp := context.WithCancel(t.Context())
	body, contentType := form(t, wav(16000, 1, 30*16000))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/audio/transcriptions", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	answered := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		answered <- err
	}()
	require.Eventually(t, func() bool {
		_, metrics := s.get(t, "/metrics")
		return strings.Contains(metrics, "grym_inference_running 1")
	}, 20*time.Second, time.Millisecond)
	hangUp()
	require.ErrorIs(t, <-answered, context.Canceled)
	require.Eventually(t, func() bool {
		_, metrics := s.get(t, "/metrics")
		return strings.Contains(metrics, `outcome="cancelled",service="wav2vec2"} 1`) && strings.Contains(metrics, "grym_inference_running 0")
	}, 20*time.Second, time.Millisecond)
	status, text := s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "MUTE TRACK ONE")
}

// TestDrainAnswersWhatIsUnderWay stops the server during a request.
func TestDrainAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s := start(t)
	type answer struct {
		status int
		body   string
	}
	answers := make(chan answer, 1)
	go func() {
		status, body := s.transcribe(t, wav(16000, 1, 30*16000))
		answers <- answer{status, body}
	}()
	require.Eventually(t, func() bool {
		_, metrics := s.get(t, "/metrics")
		return strings.Contains(metrics, "grym_inference_running 1")
	}, 20*time.Second, time.Millisecond)
	require.NoError(t, s.stop(t), s.log)
	a := <-answers
	require.Equal(t, http.StatusOK, a.status, a.body)
}

func TestDataFolderTakesOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, "--data-dir", dir)
	out, err := exec.CommandContext(t.Context(), program, "--listen", "127.0.0.1:0", "--data-dir", dir).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), fmt.Sprintf("is in use by process %d", s.cmd.Process.Pid))
}
