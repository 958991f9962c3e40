//go:build unix

package whisper

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// provenClip is what the service makes of a recording, for testdata/proof.py.
type provenClip struct {
	Text string `json:"text"`
	// Seconds of the processor.
	Seconds float64        `json:"seconds"`
	Windows []provenWindow `json:"windows"`
}

// provenWindow has the runs of the decoder on a window.
type provenWindow struct {
	// Start is the window's first sample.
	Start       int64   `json:"start"`
	Temperature float64 `json:"temperature"`
	NoSpeech    float64 `json:"no_speech"`
	Average     float64 `json:"average"`
	Prompt      []int   `json:"prompt"`
	Tokens      []int   `json:"tokens"`
	// Cut reports that the last token was not run, since the text had its full length.
	Cut bool `json:"cut"`
}

// processorSeconds returns the time that this process has used.
func processorSeconds(t *testing.T) float64 {
	t.Helper()
	var used unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &used))
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

// TestProof transcribes the recordings of testdata/proof.py, in the folder GRYM_WHISPER_CLIPS,
// and writes what it has made of them to ours.json there.
func TestProof(t *testing.T) {
	folder := os.Getenv("GRYM_WHISPER_CLIPS")
	if folder == "" {
		t.Skip("GRYM_WHISPER_CLIPS is not set to the folder of the recordings")
	}
	s, name := realWeights(t)
	files, err := filepath.Glob(filepath.Join(folder, "*.wav"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	_, _, err = s.transcribe(t.Context(), name, `{}`, written(t, made(16000))) // loads the model
	require.NoError(t, err)
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(b, a) }) // speech first
	clips := make(map[string]provenClip)
	for i, path := range files {
		info, err := os.Stat(path)
		require.NoError(t, err)
		sound := &services.Artifact{Path: path, Bytes: info.Size()}
		begun := processorSeconds(t)
		got, _, err := s.transcribe(t.Context(), name, `{}`, sound)
		require.NoError(t, err)
		clip := provenClip{Text: got.Text, Seconds: processorSeconds(t) - begun}
		if i < replayed {
			clip.Windows = s.windows(t, name, sound)
		}
		clips[filepath.Base(path)] = clip
		data, err := json.Marshal(clips)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, "ours.json"), data, 0o600))
	}
}

// replayed is the number of recordings whose runs are compared with those of onnxruntime.
const replayed = 20

// windows transcribes a recording once more, and returns the runs of its windows.
func (s *Service) windows(t *testing.T, name string, source services.AudioSource) (list []provenWindow) {
	t.Helper()
	m, done, err := s.pool.Acquire(t.Context(), name)
	require.NoError(t, err)
	defer done()
	sound, err := s.openAudio(source, m.folder.Preprocessor.SamplingRate, services.Reading{})
	require.NoError(t, err)
	defer sound.Close()
	tr := newTranscriber(&work{params: tasks.TranscribeParams{}}, m, sound, services.DiscardSink{}, services.NewStageClock(t.Context()))
	tr.part, err = m.newRun(1)
	require.NoError(t, err)
	defer tr.part.Close()
	length := m.folder.frames() * m.folder.Preprocessor.HopLength
	for {
		samples, err := sound.window(t.Context(), length)
		require.NoError(t, err)
		if sound.done() {
			return list
		}
		hidden, err := m.encode(t.Context(), m.extractor.features(samples, m.folder.frames()))
		require.NoError(t, err)
		require.NoError(t, tr.part.hear(hidden))
		a, err := tr.decoder.window(t.Context(), tr.part, tr.prompt())
		require.NoError(t, err)
		list = append(list, provenWindow{
			Start: sound.passed, Temperature: a.temperature,
			NoSpeech: a.noSpeech, Average: a.average, Prompt: tr.prompt(), Tokens: piece{tokens: a.tokens}.ids(),
			Cut: len(a.tokens) == tr.decoder.most(tr.prompt()),
		})
		steps := (len(samples) + 319) / 320
		_, next := split(a, m.folder.Special, steps)
		if a.isSilence() || next >= steps || next <= 0 {
			sound.pass(len(samples))
		} else {
			sound.pass(next * 320)
		}
		if sound.done() {
			return list
		}
	}
}
