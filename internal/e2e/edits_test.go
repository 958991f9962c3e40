package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mono16 returns a 16-bit WAV of mono samples.
func mono16(rate int, samples ...float64) []byte {
	b := wav(rate, 1, 0)
	binary.LittleEndian.PutUint16(b[20:], 1)
	binary.LittleEndian.PutUint32(b[28:], uint32(2*rate))
	binary.LittleEndian.PutUint16(b[32:], 2)
	binary.LittleEndian.PutUint16(b[34:], 16)
	binary.LittleEndian.PutUint32(b[4:], uint32(36+2*len(samples)))
	binary.LittleEndian.PutUint32(b[40:], uint32(2*len(samples)))
	for _, v := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(v*32767)))
	}
	return b
}

// toneAndPauses returns tones of 1 s with the given pauses in seconds after each.
func toneAndPauses(rate int, pauses ...float64) (samples []float64) {
	for k, pause := range pauses {
		for i := range rate {
			samples = append(samples, math.Sin(2*math.Pi*float64(440*(k+1)*i)/float64(rate))/2)
		}
		samples = append(samples, make([]float64, int(pause*float64(rate)))...)
	}
	return samples
}

// edit sends a recording and returns status, content type and body.
func (s *server) edit(t *testing.T, accept string, audio []byte, fields ...string) (int, string, []byte) {
	t.Helper()
	body, contentType := form(t, audio, fields...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/edits", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header.Get("Content-Type"), data
}

// measured are the facts of an analysis.
type measured struct {
	Source struct {
		SampleRate int `json:"sample_rate"`
		Channels   int
		Duration   float64
	}
	Levels struct {
		Peak *float64 `json:"peak_dbfs"`
		RMS  *float64 `json:"rms_dbfs"`
	}
	Pitch struct {
		Median *float64 `json:"median_hz"`
	}
}

func (s *server) measure(t *testing.T, audio []byte, features string) (m measured) {
	t.Helper()
	status, body := s.analyse(t, "analyses", audio, "features", features)
	require.Equal(t, http.StatusOK, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &m))
	return m
}

// ended submits a job, follows it to its end and returns it.
func (s *server) ended(t *testing.T, request string, audio []byte) string {
	t.Helper()
	job := s.submit(t, request, audio)
	s.follow(t, job.ID)
	status, text := s.get(t, "/v1/jobs/"+job.ID)
	require.Equal(t, http.StatusOK, status, text)
	return text
}

// TestEditsOfEverySoundAreAnswered has silence, one sample, 8 channels and 192 kHz, with
// every operation that the server lists.
func TestEditsOfEverySoundAreAnswered(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.storeSound(t, wav(16000, 8, 4000))
	stored := `"recordings":[{"audio_id":"` + id + `"}]`
	parameters := map[string]string{
		"band_pass": `"low":100,"high":3000`, "concatenate": stored, "crossfade": stored + `,"duration":0.1`, "fade": `"in":1,"out":0.5`,
		"gain": `"gain_db":-3`, "high_pass": `"frequency":100`, "high_shelf": `"frequency":1000,"gain_db":3`, "low_pass": `"frequency":3000`,
		"low_shelf": `"frequency":1000,"gain_db":3`, "mix": stored, "normalize": `"mode":"loudness"`, "pad": `"before":1`,
		"pitch_shift": `"semitones":3`, "remix": `"channels":1`, "resample": `"sample_rate":44100`, "speed": `"factor":1.5`,
		"time_stretch": `"factor":0.5`, "trim": `"end":0.5`, "gate": "", "limiter": "", "remove_silence": "", "reverse": "",
		"split_at_silences": "",
	}
	_, body := s.get(t, "/v1/services/audioProcessor")
	listed := regexp.MustCompile(`"op":\{"const":"(\w+)"\}`).FindAllStringSubmatch(body, -1)
	require.Len(t, listed, len(parameters))
	for name, audio := range map[string][]byte{
		"silence": mono16(16000, make([]float64, 16000)...), "one sample": mono16(44100, 0.5), "8 channels": wav(48000, 8, 24000),
		"192 kHz": wav(192000, 1, 96000),
	} {
		for _, one := range listed {
			operation := fmt.Sprintf(`[{"op":%q}]`, one[1])
			if more := parameters[one[1]]; more != "" {
				operation = fmt.Sprintf(`[{"op":%q,%s}]`, one[1], more)
			}
			status, kind, body := s.edit(t, "", audio, "operations", operation)
			if one[1] == "split_at_silences" && name == "silence" {
				require.Equal(t, http.StatusBadRequest, status)
				require.Contains(t, string(body), "operations leave nothing of the recording")
				continue
			}
			require.Equal(t, http.StatusOK, status, "%s of %s: %s", one[1], name, body)
			require.Equal(t, "audio/wav", kind)
			require.Positive(t, s.measure(t, body, "levels").Source.Duration, "%s of %s", one[1], name)
		}
	}
}

// TestEditsWithStoredRecordingsOverHTTP has a recording that does not exist, and a job.
func TestEditsWithStoredRecordingsOverHTTP(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.storeSound(t, mono16(8000, toneAndPauses(8000, 0)...))
	speech := mono16(16000, toneAndPauses(16000, 0.5)...)
	status, _, body := s.edit(t, "", speech, "operations", `[{"op":"concatenate","recordings":[{"audio_id":"`+id+
		`","start":0.5,"pause":0.25}]},{"op":"crossfade","recordings":[{"audio_id":"`+id+`"}],"duration":0.25}]`)
	require.Equal(t, http.StatusOK, status, string(body))
	require.InDelta(t, 1.5+0.75+0.75, s.measure(t, body, "levels").Source.Duration, 1e-3)

	status, _, body = s.edit(t, "", speech, "operations",
		`[{"op":"reverse"},{"op":"mix","recordings":[{"audio_id":"`+id+`"},{"audio_id":"none"}]}]`)
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, string(body), `operations[1].recordings[1].audio_id names no stored recording`)

	request := `{"task":"edit","params":{"operations":[{"op":"mix","recordings":[{"audio_id":"` + id + `","at":1}]}]}}`
	done := s.ended(t, request, speech)
	require.Contains(t, done, `"status":"succeeded"`)
	require.Contains(t, done, `"bytes":64044`) // 2 s
}

// TestEditsSeeTheirOwnersRecordingsOnly has the recording of another API key.
func TestEditsSeeTheirOwnersRecordingsOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ann, bob := createKey(t, dir, "use"), createKey(t, dir, "use")
	s := startWith(t, options{dataDir: dir, args: []string{"--listen", "0.0.0.0:0"}})
	s.url = "http://localhost" + s.url[strings.LastIndex(s.url, ":"):]
	audio := mono16(8000, toneAndPauses(8000, 0)...)
	send := func(key, path string, fields ...string) (int, string) {
		body, contentType := form(t, audio, fields...)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, body)
		require.NoError(t, err)
		request.Header.Set("Content-Type", contentType)
		request.Header.Set("Authorization", "Bearer "+key)
		return do(t, request)
	}
	status, text := send(ann, "/v1/audio")
	require.Equal(t, http.StatusCreated, status, text)
	var stored struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(text), &stored))
	operations := `[{"op":"concatenate","recordings":[{"audio_id":"` + stored.ID + `"}]}]`
	status, text = send(bob, "/v1/audio/edits", "operations", operations)
	require.Equal(t, http.StatusNotFound, status, text)
	require.Contains(t, text, "operations[0].recordings[0].audio_id names no stored recording")
	status, text = send(ann, "/v1/audio/edits", "operations", operations)
	require.Equal(t, http.StatusOK, status, text)
}

// TestASplitSoundOverHTTP has a ZIP archive, JSON, and a job with several sounds.
func TestASplitSoundOverHTTP(t *testing.T) {
	t.Parallel()
	s := start(t)
	audio := mono16(16000, toneAndPauses(16000, 1, 0.2, 1, 1)...)
	const operations = `[{"op":"split_at_silences"}]`
	status, kind, body := s.edit(t, "", audio, "operations", operations, "container", "flac")
	require.Equal(t, http.StatusOK, status, string(body))
	require.Equal(t, "application/zip", kind)
	archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	require.Len(t, archive.File, 4)
	for i, pitch := range []float64{440, 880, 1760} {
		file, err := archive.Open(fmt.Sprintf("edited-%d.flac", i+1))
		require.NoError(t, err)
		part, err := io.ReadAll(file)
		require.NoError(t, err)
		m := s.measure(t, part, "levels,pitch")
		if i != 1 {
			require.InDelta(t, 1.1, m.Source.Duration, 0.11)
			require.InEpsilon(t, pitch, *m.Pitch.Median, 0.01)
		}
	}
	about, err := archive.Open("edited.json")
	require.NoError(t, err)
	text, err := io.ReadAll(about)
	require.NoError(t, err)
	var edited struct {
		Segments []struct{ Start, End float64 }
		Sounds   []struct{ Audio []byte }
	}
	require.NoError(t, json.Unmarshal(text, &edited))
	require.Len(t, edited.Segments, 3)
	require.InDelta(t, 2, edited.Segments[1].Start, 0.1)

	status, kind, body = s.edit(t, "application/json", audio, "operations", operations)
	require.Equal(t, http.StatusOK, status, string(body))
	require.Equal(t, "application/json", kind)
	require.NoError(t, json.Unmarshal(body, &edited))
	require.Len(t, edited.Sounds, 3)
	require.InDelta(t, 1.1, s.measure(t, edited.Sounds[0].Audio, "levels").Source.Duration, 0.1)

	request := `{"service":"audioProcessor","task":"edit","params":{"operations":` + operations + `}}`
	done := s.ended(t, request, audio)
	var job struct {
		Sound struct {
			AudioID string `json:"audio_id"`
		}
		MoreSounds []struct {
			AudioID string `json:"audio_id"`
		} `json:"more_sounds"`
	}
	require.NoError(t, json.Unmarshal([]byte(done), &job))
	require.Len(t, job.MoreSounds, 2)
	status, sound := s.get(t, "/v1/audio/"+job.MoreSounds[1].AudioID)
	require.Equal(t, http.StatusOK, status)
	require.InDelta(t, 1.1, s.measure(t, []byte(sound), "levels").Source.Duration, 0.1)
}

// TestFormatsOfFFmpegOverHTTP has edits, conversions and generations, and a server without
// the program.
func TestFormatsOfFFmpegOverHTTP(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("there is no ffmpeg on the PATH")
	}
	s := start(t)
	audio := mono16(44100, toneAndPauses(44100, 0)...)
	for container, want := range map[string]string{
		"mp3": "audio/mpeg", "opus": "audio/ogg;codecs=opus", "ogg": "audio/ogg;codecs=vorbis", "aac": "audio/aac",
	} {
		status, kind, body := s.edit(t, "", audio, "operations", `[{"op":"gain","gain_db":-6}]`, "container", container)
		require.Equal(t, http.StatusOK, status, string(body))
		require.Equal(t, want, kind)
		m := s.measure(t, body, "levels,pitch")
		require.InDelta(t, 1, m.Source.Duration, 0.06)
		require.InEpsilon(t, 440, *m.Pitch.Median, 0.01)
		require.InDelta(t, -15, *m.Levels.RMS, 0.5)
		status, text := s.analyse(t, "conversions", audio, "container", container, "sample_rate", "16000")
		require.Equal(t, http.StatusOK, status)
		require.InEpsilon(t, 440, *s.measure(t, []byte(text), "pitch").Pitch.Median, 0.01)
	}
	status, sound := s.sendJSON(t, http.MethodPost, "/v1/audio/generations",
		`{"prompt":"a beep","seed":1,"num_inference_steps":2,"response_format":"mp3"}`)
	require.Equal(t, http.StatusOK, status, sound)
	require.InDelta(t, 2.56, s.measure(t, []byte(sound), "levels").Source.Duration, 0.1)
	_, system := s.get(t, "/v1/system")
	require.Contains(t, system, `"encodes":["wav","flac","pcm","mp3","opus","ogg","aac"]`)

	none := startWith(t, options{settings: "audio:\n  ffmpeg: \"off\"\n"})
	_, system = none.get(t, "/v1/system")
	require.Contains(t, system, `"encodes":["wav","flac","pcm"]`)
	status, text := none.analyse(t, "conversions", audio, "container", "mp3")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "container can be mp3 only with ffmpeg, which this server does not have; without it there are wav, flac, pcm")
	status, text = none.sendJSON(t, http.MethodPost, "/v1/audio/generations", `{"prompt":"a beep","response_format":"opus"}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "response_format can be opus only with ffmpeg")
}

// TestAnEncoderEndsWithItsRequest disconnects while ffmpeg writes.
func TestAnEncoderEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	script := filepath.Join(dir, "ffmpeg")
	require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\necho $$ > %s\nexec sleep 600\n", pid), 0o700))
	s := startWith(t, options{settings: "audio:\n  ffmpeg: " + script + "\n"})
	body, contentType := form(t, wav(48000, 2, 480000), "container", "mp3")
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/audio/conversions", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	ended := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		ended <- err
	}()
	var process int
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(pid)
		if err != nil {
			return false
		}
		process, err = strconv.Atoi(string(bytes.TrimSpace(text)))
		return err == nil
	}, startTimeout, 5*time.Millisecond)
	cancel()
	require.Error(t, <-ended)
	require.Eventually(t, func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", process))
		return os.IsNotExist(err)
	}, startTimeout, 5*time.Millisecond)
}
