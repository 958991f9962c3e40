package e2e

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkHour has the transcribe command hear ten minutes and then an hour, and
// reports how many times longer and how much larger the second run was. The model is
// wav2vec2-tiny, or the folder that SPEECH_MODEL names; SPEECH_MINUTES is another
// length of the first, of which the second has six times as much. Run it with
// -benchtime 1x.
func BenchmarkHour(b *testing.B) {
	data := b.TempDir()
	args := []string{"transcribe", "--data-dir", data, "--decoding", "greedy", "--output", b.TempDir()}
	if folder := os.Getenv("SPEECH_MODEL"); folder != "" {
		require.NoError(b, os.MkdirAll(filepath.Join(data, "models"), 0o750))
		require.NoError(b, os.Symlink(folder, filepath.Join(data, "models", "timed")))
		args = append(args, "--model", "timed")
	}
	// hear returns the resident peak in MB, and the elapsed and CPU seconds.
	hear := func(minutes int) (peak, clock, cpu float64) {
		recording := filepath.Join(data, "speech.wav")
		writeSpeech(b, recording, minutes)
		command := exec.CommandContext(b.Context(), program, append(args, recording)...)
		began := time.Now()
		out, err := command.CombinedOutput()
		require.NoError(b, err, string(out))
		usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
		require.True(b, ok)
		return float64(usage.Maxrss) * 1024 / 1e6, time.Since(began).Seconds(), (command.ProcessState.UserTime() +
			command.ProcessState.SystemTime()).Seconds()
	}
	minutes := 10
	if text := os.Getenv("SPEECH_MINUTES"); text != "" {
		var err error
		minutes, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	for b.Loop() {
		shortPeak, shortClock, shortCPU := hear(minutes)
		longPeak, longClock, longCPU := hear(6 * minutes)
		b.Logf("%d min: %.0f MB, %.1f s, %.1f s of CPU; six times as much: %.0f MB, %.1f s, %.1f s of CPU", minutes, shortPeak, shortClock,
			shortCPU, longPeak, longClock, longCPU)
		b.ReportMetric(longPeak-shortPeak, "MB-more")
		b.ReportMetric(longClock/shortClock, "times-clock")
		b.ReportMetric(longCPU/shortCPU, "times-cpu")
	}
}

// writeSpeech writes a WAV of the committed clips, one after the other, for so long.
// It goes to the file piece by piece: a child's resident peak begins with that of
// the process it was forked from.
func writeSpeech(b *testing.B, path string, minutes int) {
	b.Helper()
	names, err := filepath.Glob(clips + "*.wav")
	require.NoError(b, err)
	require.NotEmpty(b, names)
	header, err := os.ReadFile(names[0])
	require.NoError(b, err)
	size := minutes * 60 * 2 * 16000
	binary.LittleEndian.PutUint32(header[4:], uint32(36+size))
	binary.LittleEndian.PutUint32(header[40:], uint32(size))
	file, err := os.Create(path)
	require.NoError(b, err)
	_, err = file.Write(header[:44])
	require.NoError(b, err)
	for i := 0; size > 0; i++ {
		clip, err := os.ReadFile(names[i%len(names)])
		require.NoError(b, err)
		clip = append(clip[44:], make([]byte, 2*8000)...)
		n, err := file.Write(clip[:min(len(clip), size)])
		require.NoError(b, err)
		size -= n
	}
	require.NoError(b, file.Close())
}
