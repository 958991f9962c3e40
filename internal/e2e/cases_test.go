package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// caseCheck is the check.json of a folder of cases: what may be answered to its input.
type caseCheck struct {
	// Status lists the statuses that may be answered; empty if the case has its own check.
	Status []int `json:"status"`
	// Words have to be heard in their order, at least nine in ten; Text is the whole text.
	Words string  `json:"words"`
	Text  *string `json:"text"`
	// Samples is the length of the conversion to one channel.
	Samples *struct{ Rate, Count, Tolerance int } `json:"samples"`
	// Warning is a code that comes with 200.
	Warning string `json:"warning"`
}

// casesFolder returns the folder of cases in GRYM_TESTDATA, or in the folder shared beside
// the repository. The test is skipped if there is none.
func casesFolder(t testing.TB) string {
	t.Helper()
	root := os.Getenv("GRYM_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "shared")
	}
	folder, err := filepath.Abs(filepath.Join(root, "cases"))
	require.NoError(t, err)
	if _, err := os.Stat(folder); err != nil {
		t.Skip("no cases; set GRYM_TESTDATA to the folder that holds cases")
	}
	return folder
}

// casesOrigin is the page that the case of CORS calls from.
const casesOrigin = "http://localhost:5173"

// TestCases sends the input of every folder of cases to the real binary and checks what is
// answered. A folder without an input has a script that calls the server.
func TestCases(t *testing.T) {
	t.Parallel()
	folder := casesFolder(t)
	s := startWith(t, options{settings: "api: {cors: {origins: [\"" + casesOrigin + "\"]}}\n"})
	checks, err := filepath.Glob(filepath.Join(folder, "*", "check.json"))
	require.NoError(t, err)
	require.NotEmpty(t, checks)
	for _, file := range checks {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var check caseCheck
			require.NoError(t, json.Unmarshal(read(t, file), &check))
			inputs, err := filepath.Glob(filepath.Join(dir, "in.*"))
			require.NoError(t, err)
			if len(inputs) == 1 {
				check.input(t, s, inputs[0])
				return
			}
			check.script(t, s, dir)
		})
	}
}

// input checks the answers to a recording.
func (c caseCheck) input(t *testing.T, s *server, file string) {
	t.Helper()
	status, header, body := s.upload(t, "/v1/audio/transcriptions", file)
	if _, err := exec.LookPath("ffmpeg"); err != nil && status == http.StatusUnsupportedMediaType {
		require.Contains(t, string(body), "ffmpeg")
		t.Skip("the format requires ffmpeg, which is not installed")
	}
	require.Contains(t, c.Status, status, string(body))
	if status != http.StatusOK {
		return
	}
	var said struct{ Text *string }
	require.NoError(t, json.Unmarshal(body, &said))
	require.NotNil(t, said.Text, string(body))
	c.checkText(t, *said.Text)
	if c.Warning != "" {
		require.Contains(t, header.Get("Grym-Warning"), c.Warning)
	}
	if c.Samples == nil {
		return
	}
	status, _, body = s.upload(t, "/v1/audio/conversions", file,
		"container", "pcm", "channels", "1", "sample_rate", strconv.Itoa(c.Samples.Rate))
	require.Equal(t, http.StatusOK, status, string(body[:min(len(body), 300)]))
	require.InDelta(t, c.Samples.Count, len(body)/2, float64(c.Samples.Tolerance), "samples")
}

// checkText checks a transcription.
func (c caseCheck) checkText(t *testing.T, text string) {
	t.Helper()
	if c.Text != nil {
		require.Equal(t, *c.Text, text)
	}
	want := strings.Fields(c.Words)
	common := commonWords(want, strings.Fields(text))
	require.GreaterOrEqual(t, float64(common), 0.9*float64(len(want)), "%d of %d words are heard: %q", common, len(want), text)
}

// commonWords returns the length of the longest common subsequence of two lists.
func commonWords(a, b []string) int {
	row := make([]int, len(b)+1)
	for _, word := range a {
		diagonal := 0
		for j := range b {
			above := row[j+1]
			if word == b[j] {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}

// upload sends a file with the fields of a form.
func (s *server) upload(t testing.TB, route, file string, fields ...string) (int, http.Header, []byte) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i+1 < len(fields); i += 2 {
		require.NoError(t, w.WriteField(fields[i], fields[i+1]))
	}
	part, err := w.CreateFormFile("file", filepath.Base(file))
	require.NoError(t, err)
	_, err = part.Write(read(t, file))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+route, &body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", w.FormDataContentType())
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header, answer
}

// ownChecks are the checks of cases whose expectation is only written in words.
var ownChecks = map[string]func(t *testing.T, output string){
	"cors-preflight": func(t *testing.T, output string) {
		require.Equal(t, 2, strings.Count(output, "Access-Control-Allow-Origin: "+casesOrigin), output)
		require.Regexp(t, `HTTP/1.1 20[04] `, output)
		require.Regexp(t, `(?i)Access-Control-Allow-Headers: .*authorization`, output)
		require.Contains(t, output, "Access-Control-Allow-Methods: ")
	},
	"verbose-json-segment-fields": func(t *testing.T, output string) {
		var answer struct{ Segments []map[string]any }
		require.NoError(t, json.Unmarshal([]byte(output), &answer), output)
		require.NotEmpty(t, answer.Segments)
		for _, segment := range answer.Segments {
			for _, name := range []string{"id", "seek", "start", "end", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob"} {
				require.IsType(t, 0.0, segment[name], name)
			}
			require.IsType(t, "", segment["text"])
			require.IsType(t, []any{}, segment["tokens"])
		}
	},
	"upload-memory": func(t *testing.T, output string) {
		var peaks []int
		for _, found := range regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindAllStringSubmatch(output, -1) {
			kib, err := strconv.Atoi(found[1])
			require.NoError(t, err)
			peaks = append(peaks, kib)
		}
		require.Len(t, peaks, 2, output)
		require.Less(t, peaks[1]-peaks[0], 64<<10, "KiB")
	},
}

// anError and lineStatus find what a script prints of the answers.
var (
	anError    = regexp.MustCompile(`"error":|urn:grym-synth:problem`)
	lineStatus = regexp.MustCompile(`(?m)^\[?([1-5]\d\d)\b`)
	lineText   = regexp.MustCompile(`"text":\s*"([^"]*)`)
)

// script runs the script of a case and checks what it prints.
func (c caseCheck) script(t *testing.T, s *server, dir string) {
	t.Helper()
	script, name := string(read(t, filepath.Join(dir, "run.sh"))), filepath.Base(dir)
	for _, tool := range []string{"curl", "python3", "sox"} {
		if _, err := exec.LookPath(tool); err != nil && strings.Contains(script, tool) {
			t.Skipf("there is no %s", tool)
		}
	}
	if name == "413-wording" {
		s = startWith(t, options{settings: "api: {maxUpload: 1MB}\n"})
	}
	cmd := exec.CommandContext(t.Context(), "bash", filepath.Join(dir, "run.sh"))
	cmd.Env = append(os.Environ(), "BASE="+s.url, fmt.Sprintf("PID=%d", s.cmd.Process.Pid))
	out, err := cmd.CombinedOutput()
	output := string(out)
	require.NoError(t, err, output)
	if own := ownChecks[name]; own != nil {
		own(t, output)
		return
	}
	require.NotEmpty(t, c.Status, "the case has no check")
	require.Equal(t, !slices.Contains(c.Status, http.StatusOK), anError.MatchString(output), output)
	for _, found := range lineStatus.FindAllStringSubmatch(output, -1) {
		status, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		require.Contains(t, c.Status, status, output)
	}
	for _, found := range lineText.FindAllStringSubmatch(output, -1) {
		c.checkText(t, found[1])
	}
}
