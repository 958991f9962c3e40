package audiofile

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var parity = flag.Bool("parity", false, "compare the decoders with ffmpeg on 649 generated files; otherwise the test is skipped")

// parityFormat is the required agreement with another decoder. The number of samples
// must be the same except for count.
type parityFormat struct {
	name string
	// decibels is the least ratio of signal to difference: infinite if every sample
	// must be equal, 0 if the other decoder is no reference.
	decibels float64
	// encoded is the greatest difference from the number of samples that were encoded:
	// what the encoder adds and the file does not state.
	encoded int
	// count is the greatest difference from the other decoder's number of samples.
	count int
	// decoder precedes the name of the file; ffmpeg's own decoder if empty.
	decoder []string
}

// libopus without rounding to 16 bits.
var libopus = []string{"-request_sample_fmt", "flt", "-c:a", "libopus"}

var parityFormats = []parityFormat{
	{name: "WAV", decibels: math.Inf(1)},
	{name: "FLAC", decibels: math.Inf(1)},
	// ffmpeg states at most one frame of padding, and the encoder may add a little more.
	{name: "MP3", decibels: 100, encoded: 576},
	// One band of ffmpeg begins two lines lower than in ISO 13818-3.
	{name: "MP3, 24 kHz", decibels: 0, encoded: 576},
	{name: "MP3, 24 kHz, by mpg123", decibels: 100, encoded: 576, decoder: []string{"mpg123", "-q", "--gapless", "-e", "f32", "-s"}},
	{name: "Ogg Opus, CELT", decibels: 80, decoder: libopus},
	{name: "WebM Opus, CELT", decibels: 80, decoder: libopus},
	{name: "Opus, SILK and hybrid", decibels: 80, decoder: libopus},
	{name: "Opus of 3 to 8 channels", decibels: 80, decoder: libopus},
	{name: "Ogg Vorbis", decibels: 80, encoded: 1024},
	{name: "WebM Vorbis", decibels: 80, encoded: 1024},
	// The default decoder of ffmpeg rounds to 16 bits.
	{name: "MP2", decibels: 90, encoded: 1152, decoder: []string{"-c:a", "mp2float"}},
	{name: "AIFF", decibels: math.Inf(1)},
	{name: "AU", decibels: math.Inf(1)},
	{name: "Wave64", decibels: math.Inf(1), encoded: 7}, // ffmpeg counts the padding of the chunk
	{name: "CAF", decibels: math.Inf(1)},
	{name: "QuickTime PCM", decibels: math.Inf(1)},
	{name: "Matroska PCM", decibels: math.Inf(1)},
	{name: "Ogg FLAC", decibels: math.Inf(1)},
	{name: "Matroska FLAC", decibels: math.Inf(1)},
	{name: "MP4 FLAC", decibels: math.Inf(1)},
	{name: "ALAC", decibels: math.Inf(1)},
	// ffmpeg keeps the padding of the last packet, which the file states.
	{name: "MP4 Opus", decibels: 80, count: 2880, decoder: libopus},
	{name: "lossless, through ffmpeg", decibels: math.Inf(1)},
	{name: "AAC, through ffmpeg", decibels: math.Inf(1), encoded: 2048},
	{name: "WMA, through ffmpeg", decibels: math.Inf(1), encoded: 2048},
}

// parityResult is the worst agreement of a format's files.
type parityResult struct {
	files    int
	count    int // the greatest difference from the other decoder's number of samples
	encoded  int // and from the encoded number
	decibels float64
	at       string // the file with the least ratio
}

// TestAgainstFFmpeg encodes synthesised sound in every format with ffmpeg, and compares
// the decoded samples with those of another decoder.
func TestAgainstFFmpeg(t *testing.T) {
	if !*parity {
		t.Skip("a comparison with ffmpeg; -parity runs it")
	}
	limits := withFFmpeg(t)
	results := make(map[string]*parityResult)
	files := parityFiles()
	require.GreaterOrEqual(t, len(files), 120)
	dir := t.TempDir()
	for i, file := range files {
		name := fmt.Sprintf("%s, %d Hz, %d channels, sound %d, %s", file.format, file.rate, file.channels, file.sound%paritySounds,
			strings.Join(file.options, " "))
		result := results[file.format]
		if result == nil {
			result = &parityResult{decibels: math.Inf(1)}
			results[file.format] = result
		}
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, fmt.Sprint(i, ".", file.ext))
			sound := paritySound(file.sound, file.rate, file.channels)
			encodeParity(t, limits.FFmpeg, path, file, sound)
			result.compare(t, limits, path, file, len(sound)/file.channels)
		})
	}
	t.Logf("\n%s", parityTable(results))
}

// encodeParity writes a file with ffmpeg.
func encodeParity(t *testing.T, program, path string, file parityFile, sound []float32) {
	t.Helper()
	args := []string{"-v", "error", "-f", "f32le", "-ar", fmt.Sprint(file.rate), "-ac", fmt.Sprint(file.channels), "-i", "pipe:0"}
	command := exec.Command(program, append(append(args, file.options...), path)...)
	var raw bytes.Buffer
	require.NoError(t, binary.Write(&raw, binary.LittleEndian, sound))
	command.Stdin = &raw
	text, err := command.CombinedOutput()
	require.NoError(t, err, "%s", text)
}

// compare decodes a file twice and requires the agreement of its format.
func (r *parityResult) compare(t *testing.T, limits Limits, path string, file parityFile, encoded int) {
	t.Helper()
	format := parityFormatOf(t, file.format)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	reader, err := openUnder(limits, raw)
	require.NoError(t, err)
	announced := reader.Format()
	got := readAll(t, reader)
	require.NoError(t, reader.Close())
	require.Empty(t, reader.Warnings())
	require.Equal(t, strings.Contains(file.format, "through ffmpeg"), announced.Container == "ffmpeg")
	want := decodeParity(t, limits.FFmpeg, path, format.decoder)

	channels := announced.Channels
	require.Equal(t, file.channels, channels)
	frames := len(got) / channels
	if !announced.Guessed {
		require.EqualValues(t, announced.Frames, frames, "the announced length")
	}
	encoded = (encoded*announced.SampleRateHz + file.rate - 1) / file.rate
	decibels := ratio(got, want)
	r.files++
	r.count = max(r.count, distance(frames, len(want)/channels))
	r.encoded = max(r.encoded, distance(frames, encoded))
	if decibels < r.decibels {
		r.decibels, r.at = decibels, t.Name()
	}
	require.LessOrEqual(t, distance(frames, len(want)/channels), format.count, "the number of samples")
	require.LessOrEqual(t, distance(frames, encoded), format.encoded, "from the number of samples before encoding")
	if format.decibels > 0 {
		require.GreaterOrEqual(t, decibels, format.decibels)
	}
}

func parityFormatOf(t *testing.T, name string) parityFormat {
	t.Helper()
	for _, format := range parityFormats {
		if format.name == name {
			return format
		}
	}
	require.Fail(t, "no tolerance", name)
	return parityFormat{}
}

// decodeParity decodes a file with another program.
func decodeParity(t *testing.T, program, path string, decoder []string) []float32 {
	t.Helper()
	args := append(append([]string{"-v", "error"}, decoder...), "-i", path, "-f", "f32le", "-")
	if len(decoder) > 0 && decoder[0] == "mpg123" {
		if _, err := exec.LookPath("mpg123"); err != nil {
			t.Skip("no mpg123 on the PATH")
		}
		program, args = decoder[0], append(append([]string(nil), decoder[1:]...), path)
	}
	raw, err := exec.Command(program, args...).Output()
	require.NoError(t, err)
	samples := make([]float32, len(raw)/4)
	require.NoError(t, binary.Read(bytes.NewReader(raw), binary.LittleEndian, samples))
	return samples
}

// ratio returns the ratio of signal to difference in decibels, infinite if there is no
// difference.
func ratio(got, want []float32) float64 {
	var power, wrong float64
	for i, x := range want[:min(len(want), len(got))] {
		power += float64(x) * float64(x)
		difference := float64(x) - float64(got[i])
		wrong += difference * difference
	}
	if wrong == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(power/wrong)
}

func distance(a, b int) int { return max(a-b, b-a) }

// parityTable returns the table of docs/audio.md.
func parityTable(results map[string]*parityResult) string {
	var table strings.Builder
	total := 0
	table.WriteString("| format | files | count, from the other decoder | from the encoded sound | worst signal to difference | required |\n")
	table.WriteString("|---|---|---|---|---|---|\n")
	for _, format := range parityFormats {
		r := results[format.name]
		if r == nil || r.files == 0 {
			continue
		}
		total += r.files
		fmt.Fprintf(&table, "| %s | %d | %d | %d (at most %d) | %s | %s |\n", format.name, r.files, r.count, r.encoded, format.encoded,
			decibelText(r.decibels), decibelText(format.decibels))
	}
	fmt.Fprintf(&table, "%d files\n", total)
	for _, format := range parityFormats {
		if r := results[format.name]; r != nil && r.at != "" {
			fmt.Fprintf(&table, "worst: %s\n", r.at)
		}
	}
	return table.String()
}

func decibelText(decibels float64) string {
	switch {
	case math.IsInf(decibels, 1):
		return "equal"
	case decibels == 0:
		return "none, see below"
	}
	return fmt.Sprintf("%.0f dB", math.Floor(decibels))
}
