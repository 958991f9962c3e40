//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkHourOfPictures has a server draw an hour of 48 kHz stereo over HTTP, and sox its
// spectrogram. It reports the CPU seconds of each, the ratio of the spectrograms, and by
// how much the server grew at its peak. Run it with -benchtime 1x.
func BenchmarkHourOfPictures(b *testing.B) {
	sox, err := exec.LookPath("sox")
	if err != nil {
		b.Skip("no sox on the PATH to compare with")
	}
	path := filepath.Join(b.TempDir(), "hour.wav")
	require.NoError(b, exec.CommandContext(b.Context(), sox, "-n", "-r", "48000", "-c", "2", "-b", "16", path, "synth", "3600", "pinknoise",
		"vol", "0.5").Run())
	s := startWith(b, options{settings: "{audio: {maxBytes: 1GB}, api: {maxUpload: 1GB}}"})
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), sox, path, "-n", "spectrogram", "-o", filepath.Join(b.TempDir(), "sox.png"))
		require.NoError(b, cmd.Run())
		theirs := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		b.ReportMetric(theirs, "s-sox")
		for _, kind := range []string{"spectrogram", "waveform", "loudness", "peaks"} {
			s.forgetPeak(b)
			rest, began := s.resident(b, "VmRSS"), s.cpuSeconds(b)
			route, field := "pictures", "kind"
			if kind == "peaks" {
				route, field = "peaks", ""
			}
			s.sendFile(b, "/v1/audio/"+route, path, field, kind)
			ours := s.cpuSeconds(b) - began
			b.ReportMetric(ours, "s-"+kind)
			b.ReportMetric(float64(s.resident(b, "VmHWM")-rest)/(1<<20), "MiB-"+kind)
			if kind == "spectrogram" {
				b.ReportMetric(ours/theirs, "ratio")
			}
		}
	}
}

// sendFile sends a file as a form, as it is read, with one field unless its name is empty.
func (s *server) sendFile(b *testing.B, route, path, field, value string) {
	b.Helper()
	file, err := os.Open(path)
	require.NoError(b, err)
	defer file.Close()
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	if field != "" {
		require.NoError(b, form.WriteField(field, value))
	}
	_, err = form.CreateFormFile("file", "hour.wav")
	require.NoError(b, err)
	tail := fmt.Sprintf("\r\n--%s--\r\n", form.Boundary())
	body := io.MultiReader(&head, file, strings.NewReader(tail))
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.url+route, body)
	require.NoError(b, err)
	request.Header.Set("Content-Type", form.FormDataContentType())
	response, err := http.DefaultClient.Do(request)
	require.NoError(b, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(b, err)
	require.Equal(b, http.StatusOK, response.StatusCode, string(text))
}

// cpuSeconds returns the CPU time that the process has used.
func (s *server) cpuSeconds(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	require.NoError(b, err)
	_, rest, found := strings.Cut(string(text), ") ")
	require.True(b, found)
	fields := strings.Fields(rest)
	var ticks float64
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseFloat(field, 64)
		require.NoError(b, err)
		ticks += n
	}
	return ticks / 100
}
