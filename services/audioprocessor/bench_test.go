package audioprocessor

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// BenchmarkAgainstSox compares the user time of a conversion, file to file,
// with that of sox's high-quality resampler: ten minutes of 48 kHz stereo to
// 16 kHz mono, in pairs one after the other. The metric is the median of the
// ratios.
func BenchmarkAgainstSox(b *testing.B) {
	sox, err := exec.LookPath("sox")
	if err != nil {
		b.Skip("no sox on the PATH to compare with")
	}
	dir := b.TempDir()
	in, out := filepath.Join(dir, "in.wav"), filepath.Join(dir, "out.wav")
	require.NoError(b, exec.CommandContext(b.Context(), sox, "-n", "-r", "48000", "-c", "2", "-b", "16", in, "synth", "600", "sine",
		"300-12000", "vol", "0.5").Run())
	s := New(DefaultConfig(), limits(), dir)
	var ratios, ours, theirs []float64
	for b.Loop() {
		before := userTime(b)
		result, err := services.ExecuteTask(b.Context(), s,
			services.Task{Name: tasks.Convert, Params: []byte(`{"sample_rate":16000,"channels":1}`), Audio: onDisk(in)},
			services.DiscardSink{})
		require.NoError(b, err)
		mine := userTime(b) - before
		require.NoError(b, result.Audio.Remove())
		cmd := exec.CommandContext(b.Context(), sox, in, "-r", "16000", "-c", "1", out, "rate", "-h")
		require.NoError(b, cmd.Run())
		ours, theirs = append(ours, mine.Seconds()), append(theirs, cmd.ProcessState.UserTime().Seconds())
		ratios = append(ratios, mine.Seconds()/cmd.ProcessState.UserTime().Seconds())
	}
	b.ReportMetric(median(ours), "s-ours")
	b.ReportMetric(median(theirs), "s-sox")
	b.ReportMetric(median(ratios), "ratio")
}

func userTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano())
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// onDisk is a file as input of a task.
func onDisk(path string) services.AudioSource {
	info, err := os.Stat(path)
	if err != nil {
		panic(err)
	}
	return &services.Artifact{Path: path, Bytes: info.Size()}
}

// BenchmarkEdit has five usual operations on ten seconds.
func BenchmarkEdit(b *testing.B) {
	s := New(DefaultConfig(), limits(), b.TempDir())
	task := editOf(audiofile.Tone(48000, 10*time.Second), `{"operations":[{"op":"trim","start":1},{"op":"high_pass","frequency":80},`+
		`{"op":"low_shelf","frequency":200,"gain_db":3},{"op":"gain","gain_db":-3},{"op":"fade","in":1,"out":2}]}`)
	for b.Loop() {
		result, err := services.ExecuteTask(b.Context(), s, task, services.DiscardSink{})
		if err != nil {
			b.Fatal(err)
		}
		if err := result.Audio.Remove(); err != nil {
			b.Fatal(err)
		}
	}
}
