package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// editChain are five operations that sox does as one stream, and the same in sox.
const editChain = `[{"op":"high_pass","frequency":80},{"op":"low_pass","frequency":15000},{"op":"low_shelf","frequency":100,"gain_db":3},` +
	`{"op":"gain","gain_db":-3},{"op":"resample","sample_rate":44100}]`

var soxChain = []string{"highpass", "80", "lowpass", "15000", "bass", "3", "100", "gain", "-3", "rate", "44100"}

// BenchmarkLongAudio compares the processor time of the server with that of sox, ffmpeg and
// aubio in the same run, on an hour of 48 kHz stereo, or AUDIO_MINUTES: the default analysis
// with the sum of three programs, and a chain of five edits with the same in sox. The time of
// the server has the upload and the answer over HTTP. It reports the growth of the resident
// memory too. Run it with -benchtime 1x.
func BenchmarkLongAudio(b *testing.B) {
	for _, program := range []string{"sox", "ffmpeg", "aubioonset"} {
		if _, err := exec.LookPath(program); err != nil {
			b.Skipf("there is no %s to compare with", program)
		}
	}
	minutes := 60
	if text := os.Getenv("AUDIO_MINUTES"); text != "" {
		var err error
		minutes, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	dir := b.TempDir()
	in, out := filepath.Join(dir, "in.wav"), filepath.Join(dir, "out.wav")
	writeNoise(b, in, minutes)
	s := startWith(b, options{settings: "api: {maxUpload: 2GiB}\naudio: {maxBytes: 2GiB}\nservices: {audioProcessor: {maxOutput: 2GiB}}\n"})
	s.timed(b, "/v1/audio/analyses", clips+"clip09.wav", io.Discard) // what is loaded at the first request
	for b.Loop() {
		analysis, grown := s.timed(b, "/v1/audio/analyses", in, io.Discard)
		stat := cpuSeconds(b, "sox", in, "-n", "stat")
		ebur := cpuSeconds(b, "ffmpeg", "-nostats", "-i", in, "-af", "ebur128=peak=true", "-f", "null", "-")
		onsets := cpuSeconds(b, "aubioonset", "-i", in)
		b.Logf("%d min analysed: %.1f s of CPU, %.0f MB; sox stat %.1f s, ffmpeg ebur128 with the true peak %.1f s, aubioonset %.1f s", minutes,
			analysis, grown, stat, ebur, onsets)
		edits, more := s.timed(b, "/v1/audio/edits", in, io.Discard, "operations", editChain)
		sox := cpuSeconds(b, "sox", append([]string{in, out}, soxChain...)...)
		b.Logf("%d min edited: %.1f s of CPU, %.0f MB; sox %.1f s", minutes, edits, more, sox)
		b.ReportMetric(analysis/(stat+ebur+onsets), "analysis-ratio")
		b.ReportMetric(edits/sox, "edits-ratio")
		b.ReportMetric(max(grown, more), "MB-more")
	}
}

// timed uploads a file and returns the processor time of the server until the end of the
// answer, and how much its resident memory grew in MB.
func (s *server) timed(b *testing.B, path, file string, answer io.Writer, fields ...string) (seconds, grown float64) {
	b.Helper()
	head, contentType := form(b, []byte{}, fields...)
	frame, err := io.ReadAll(head)
	require.NoError(b, err)
	end := bytes.LastIndex(frame, []byte("\r\n--"))
	recording, err := os.Open(file)
	require.NoError(b, err)
	defer recording.Close()
	body := io.MultiReader(bytes.NewReader(frame[:end]), recording, bytes.NewReader(frame[end:]))
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+path, body)
	require.NoError(b, err)
	request.Header.Set("Content-Type", contentType)
	process := fmt.Sprintf("/proc/%d/", s.cmd.Process.Pid)
	if err := os.WriteFile(process+"clear_refs", []byte("5"), 0); err != nil {
		b.Skipf("the peak of the memory cannot be read: %v", err)
	}
	rest, before := s.megabytes(b, "VmRSS:"), s.cpu(b)
	response, err := new(http.Client).Do(request)
	require.NoError(b, err)
	defer response.Body.Close()
	require.Equal(b, http.StatusOK, response.StatusCode)
	_, err = io.Copy(answer, response.Body)
	require.NoError(b, err)
	return s.cpu(b) - before, s.megabytes(b, "VmHWM:") - rest
}

// cpu returns the processor time of the server in seconds.
func (s *server) cpu(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	require.NoError(b, err)
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(string(field))
		require.NoError(b, err)
		ticks += n
	}
	return float64(ticks) / 100
}

// megabytes returns a figure of the server's memory.
func (s *server) megabytes(b *testing.B, figure string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	require.NoError(b, err)
	_, rest, found := bytes.Cut(text, []byte(figure))
	require.True(b, found, figure)
	kilobytes, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
	require.NoError(b, err)
	return float64(kilobytes) / 1000
}

// cpuSeconds runs a program and returns its processor time.
func cpuSeconds(b *testing.B, name string, args ...string) float64 {
	b.Helper()
	command := exec.CommandContext(b.Context(), name, args...)
	require.NoError(b, command.Run(), name)
	return (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Seconds()
}

// writeNoise writes minutes of 16-bit stereo at 48 kHz: noise that falls by 6 dB an octave
// above 600 Hz, in phrases of 3 s.
func writeNoise(b *testing.B, path string, minutes int) {
	b.Helper()
	const rate = 48000
	frames := minutes * 60 * rate
	file, err := os.Create(path)
	require.NoError(b, err)
	w := bufio.NewWriterSize(file, 1<<20)
	header := wav(rate, 2, 0)
	binary.LittleEndian.PutUint16(header[20:], 1)
	binary.LittleEndian.PutUint32(header[28:], 4*rate)
	binary.LittleEndian.PutUint16(header[32:], 4)
	binary.LittleEndian.PutUint16(header[34:], 16)
	binary.LittleEndian.PutUint32(header[4:], uint32(36+4*frames))
	binary.LittleEndian.PutUint32(header[40:], uint32(4*frames))
	_, err = w.Write(header)
	require.NoError(b, err)
	random := rand.New(rand.NewPCG(1, 2))
	var state [2]float64
	var frame [4]byte
	for i := range frames {
		level := 1 - 0.8*float64(i%(3*rate))/(3*rate)
		for c := range state {
			state[c] += 0.08 * (random.NormFloat64() - state[c])
			binary.LittleEndian.PutUint16(frame[2*c:], uint16(int16(max(-32768, min(32767, 30000*level*state[c])))))
		}
		_, err := w.Write(frame[:])
		require.NoError(b, err)
	}
	require.NoError(b, w.Flush())
	require.NoError(b, file.Close())
}
