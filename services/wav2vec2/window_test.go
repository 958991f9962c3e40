package wav2vec2

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// readMono reads a recording in one window.
func readMono(t testing.TB, reader *audiofile.Reader, rateHz int) ([]float32, error) {
	t.Helper()
	cut, err := newWindows(reader, rateHz, 0, 0, 0)
	require.NoError(t, err)
	w, err := cut.next(t.Context())
	require.True(t, err != nil || w.last)
	return w.samples, err
}

// written writes samples at 16 kHz to a file.
func written(t *testing.T, samples []float32) diskAudio {
	t.Helper()
	name := filepath.Join(t.TempDir(), "speech.wav")
	file, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, audiofile.WriteWAV16(file, samples, 16000, 1))
	require.NoError(t, file.Close())
	return diskAudio(name)
}

// TestWindowsAreThoseOfTransformers has the cases of chunk_iter in the tests of
// transformers: a hundred samples, split with strides on the sides. If the first window
// reaches the end it is the last one, as in later versions of transformers; in 4.28 a
// window of 100 with a right stride was still followed by a second one.
func TestWindowsAreThoseOfTransformers(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	source := written(t, make([]float32, 100))
	for _, c := range []struct {
		length, left, right int
		want                [][3]int
	}{
		{100, 0, 0, [][3]int{{100, 0, 0}}},
		{100, 20, 10, [][3]int{{100, 0, 0}}},
		{80, 20, 10, [][3]int{{80, 0, 10}, {50, 20, 0}}},
		{90, 20, 0, [][3]int{{90, 0, 0}, {30, 20, 0}}},
		{36, 6, 6, [][3]int{{36, 0, 6}, {36, 6, 6}, {36, 6, 6}, {28, 6, 0}}},
		{30, 5, 5, [][3]int{{30, 0, 5}, {30, 5, 5}, {30, 5, 5}, {30, 5, 5}, {20, 5, 0}}},
		{105, 5, 5, [][3]int{{100, 0, 0}}},
	} {
		reader, closer, err := s.openAudio(source, 10, services.Reading{})
		require.NoError(t, err)
		cut, err := newWindows(reader, 16000, c.length, c.left, c.right)
		require.NoError(t, err)
		var got [][3]int
		for last := false; !last; {
			w, err := cut.next(t.Context())
			require.NoError(t, err)
			got = append(got, [3]int{len(w.samples), w.left, w.right})
			last = w.last
		}
		require.Equal(t, c.want, got, "%d, %d and %d", c.length, c.left, c.right)
		require.NoError(t, closer.Close())
	}
}

// TestWindowsAreWholeFrames has the pipeline's values for ten seconds.
func TestWindowsAreWholeFrames(t *testing.T) {
	t.Parallel()
	length, stride := windowSamples(10, 16000, 320)
	require.Equal(t, 160000, length)
	require.Equal(t, 83*320, stride, "26666.7 samples are 83.3 frames")
	inner := window{samples: make([]float32, length), left: stride, right: stride}
	from, to := inner.ownFrames(499, 320)
	require.Equal(t, []int{83, 417}, []int{from, to})
	last := window{samples: make([]float32, length), left: stride}
	from, to = last.ownFrames(499, 320)
	require.Equal(t, []int{83, 499}, []int{from, to}, "499 frames are all there are")
}

// deltas collects the words that a task sends.
type deltas struct {
	services.DiscardSink
	words    []tasks.Word
	progress []float64
}

func (h *deltas) Progress(fraction float64, _ string) { h.progress = append(h.progress, fraction) }
func (h *deltas) Partial(value any) {
	h.words = append(h.words, value.(tasks.TranscriptDelta).Words...)
}

// unjudged returns words without their confidence, which is known at the end.
func unjudged(t *testing.T, words []tasks.Word) []tasks.Word {
	t.Helper()
	plain := slices.Clone(words)
	for i := range plain {
		require.NotNil(t, plain[i].Confidence)
		plain[i].Confidence = nil
	}
	return plain
}

// TestALongRecordingIsTranscribedWhole repeats one phrase for a minute, so that every
// window boundary falls at a different place in it.
func TestALongRecordingIsTranscribedWhole(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	reader, closer, err := s.openAudio(diskAudio(filepath.Join(clipsDir, "clip09.wav")), 0, services.Reading{})
	require.NoError(t, err)
	defer closer.Close()
	phrase, err := readMono(t, reader, 16000)
	require.NoError(t, err)
	phrase = append(phrase, make([]float32, 5000)...)
	var samples []float32
	times := 0
	for len(samples) < 60*16000 {
		samples = append(samples, phrase...)
		times++
	}
	task := transcribeTask(written(t, samples))
	task.Params = []byte(`{"stream": true}`)
	var sink deltas
	result, err := services.ExecuteTask(t.Context(), s, task, &sink)
	require.NoError(t, err)
	answer := result.Value.(*tasks.Transcription)
	require.Equal(t, strings.TrimSpace(strings.Repeat("MUTE TRACK ONE ", times)), answer.Text)
	require.Equal(t, unjudged(t, answer.Words), sink.words, "each is sent once, in order")
	require.InDelta(t, float64(len(samples))/16000, answer.DurationSeconds, 0.01)
	require.IsIncreasing(t, sink.progress)
	require.Greater(t, len(sink.progress), 6)
	for i, word := range answer.Words {
		require.InDelta(t, float64(i/3)*float64(len(phrase))/16000, word.Start, 2, "word %d", i)
	}

	short, err := servicetest.Bytes(t.Context(), s, transcribeTask(written(t, samples[:20*16000])))
	require.NoError(t, err)
	long, err := servicetest.Bytes(t.Context(), s, task)
	require.NoError(t, err)
	frames := len(samples)/320 - 1000
	require.InDelta(t, frames*int(posteriorBytes), int(long-short), 1000, "memory grows only with the scores of frames")

	task.Params = []byte(`{"window_seconds": 0}`)
	_, err = s.Prepare(t.Context(), task)
	require.Equal(t, services.KindTooLarge, services.KindOf(err), "one run takes at most 30 s")
	for _, bad := range []string{`{"window_seconds": 31}`, `{"window_seconds": 0.5}`, `{"window_seconds": -1}`} {
		task.Params = []byte(bad)
		_, err = s.Prepare(t.Context(), task)
		require.ErrorContains(t, err, "window_seconds must be 0 or from 1 to 30", bad)
	}
}
