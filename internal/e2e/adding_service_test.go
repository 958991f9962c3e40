package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/format"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// addingAService is the document that the test follows.
const addingAService = "docs/adding-a-service.md"

// TestAServiceIsAddedByFollowingTheDocument applies every code block of the document to a
// copy of the repository, runs its commands there, builds the binary and tests the server.
func TestAServiceIsAddedByFollowingTheDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the binary of a copy of the repository")
	}
	t.Parallel()
	dir := copyRepository(t)
	steps := readSteps(t, addingAService)
	require.Len(t, steps, 16, "a block that is not read would not be tested")
	for _, s := range steps {
		s.apply(t, dir)
	}
	binary := filepath.Join(t.TempDir(), "grym-synth")
	// The cache of the build does not depend on the folder then.
	runIn(t, dir, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, ".")

	bad := exec.CommandContext(t.Context(), binary, "config", "--config", settingsFile(t, "services: {tally: {maxWords: 0}}"))
	out, err := bad.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "services.tally.maxWords: must be 1 to 1000000, got 0")

	data := t.TempDir()
	s := startBinary(t, binary, data, "services: {tally: {maxWords: 5}}")
	count := s.expectJSON(t, http.StatusOK, "POST", "/v1/tallies", `{"text":"one two three"}`)
	require.JSONEq(t, `{"words":3,"total":{"texts":1,"words":3}}`, count)
	for body, says := range map[string]string{
		`{"text":"1 2 3 4 5 6"}`: "text must have at most 5 words, got 6",
		`{"text":7}`:             "text",
		`{"txt":"one"}`:          "txt",
	} {
		require.Contains(t, s.expectJSON(t, http.StatusBadRequest, "POST", "/v1/tallies", body), says)
	}
	for params, says := range map[string]string{
		`{"text":7}`:             `params.text must be a string, got 7`,
		`{}`:                     "params.text is missing",
		`{"text":"a","times":2}`: "params.times is not a parameter of this task",
		`{"text":"1 2 3 4 5 6"}`: "params.text must have at most 5 words, got 6",
	} {
		var problem struct{ Detail string }
		answer := s.expectJSON(t, http.StatusBadRequest, "POST", "/v1/jobs", `{"service":"tally","task":"count","params":`+params+`}`)
		require.NoError(t, json.Unmarshal([]byte(answer), &problem))
		require.Equal(t, says, problem.Detail)
	}
	require.Contains(t, s.expectJSON(t, http.StatusOK, "GET", "/v1/services", ""), `"summary":"Counts the words of texts."`)
	require.Contains(t, s.expectJSON(t, http.StatusOK, "GET", "/v1/services/tally", ""), `"description":"whose words are counted"`)
	require.Contains(t, s.expectJSON(t, http.StatusOK, "GET", "/v1/system/config", ""), `"maxWords":5`)
	require.Contains(t, s.expectJSON(t, http.StatusOK, "GET", "/healthz", ""), `"name":"tally"`)
	metrics := s.expectJSON(t, http.StatusOK, "GET", "/metrics", "")
	require.Contains(t, metrics, `grym_inference_requests_total{model="",outcome="success",service="tally"} 1`)
	require.NoError(t, s.stop(t), "%s", s.log)

	s = startBinary(t, binary, data, "")
	job := s.expectJSON(t, http.StatusAccepted, "POST", "/v1/jobs", `{"task":"count","params":{"text":"1 2 3 4 5 6"}}`)
	var accepted struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(job), &accepted))
	require.Eventually(t, func() bool {
		status, result := s.sendJSON(t, "GET", "/v1/jobs/"+accepted.ID+"/result", "")
		return status == http.StatusOK && strings.Contains(result, `"words":6,"total":{"texts":2,"words":9}`)
	}, startTimeout, 10*time.Millisecond, "the totals outlast the process")
}

// step is one block of the document.
type step struct {
	// commands are set for a block of them.
	commands []string
	// file is new, or the text goes after or before the one line of it that is anchor.
	file, place, anchor, text string
}

// blocks are a line that says what to do with the code block below it.
var (
	blocks  = regexp.MustCompile("(?ms)^([^\n]+)\n\n```([a-z]*)\n(.*?)^```$")
	edits   = regexp.MustCompile("^`([^`]+)`, (after|before) `(.+)`:$")
	newFile = regexp.MustCompile("^`([^`]+)`, new:$")
)

// readSteps returns the blocks of a document, in order.
func readSteps(t *testing.T, name string) (steps []step) {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	found := blocks.FindAllStringSubmatch(string(text), -1)
	require.Equal(t, 2*len(found), strings.Count("\n"+string(text), "\n```"), "each block has a line of its own above it")
	for _, block := range found {
		title, language, code := block[1], block[2], block[3]
		if edit := edits.FindStringSubmatch(title); edit != nil {
			steps = append(steps, step{file: edit[1], place: edit[2], anchor: edit[3], text: code})
		} else if created := newFile.FindStringSubmatch(title); created != nil {
			steps = append(steps, step{file: created[1], place: "new", text: code})
		} else {
			require.Equal(t, "Run:", title)
			require.Equal(t, "sh", language)
			steps = append(steps, step{commands: strings.Split(strings.TrimSpace(code), "\n")})
		}
	}
	return steps
}

// apply does in a folder what the step says.
func (s step) apply(t *testing.T, dir string) {
	t.Helper()
	for _, command := range s.commands {
		words := strings.Fields(command)
		if strings.HasPrefix(command, "go test ") {
			words = append([]string{"go", "test", "-trimpath", "-ldflags=-s -w", "-vet=off", "-short"}, words[2:]...)
		}
		runIn(t, dir, words[0], words[1:]...)
	}
	if s.file == "" {
		return
	}
	path := filepath.Join(dir, filepath.FromSlash(s.file))
	var content string
	if s.place == "new" {
		require.NoFileExists(t, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		content = s.text
	} else {
		content = s.insert(t, path)
	}
	if filepath.Ext(path) == ".go" {
		formatted, err := format.Source([]byte(content))
		require.NoError(t, err, s.file)
		require.Equal(t, string(formatted), content, "%s is formatted", s.file)
	}
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

// insert returns a file with the text at the line that the step names.
func (s step) insert(t *testing.T, path string) string {
	t.Helper()
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	var after strings.Builder
	found := 0
	for line := range strings.Lines(string(before)) {
		at := strings.TrimSpace(line) == s.anchor
		if at {
			found++
		}
		if at && s.place == "before" {
			after.WriteString(s.text)
		}
		after.WriteString(line)
		if at && s.place == "after" {
			after.WriteString(s.text)
		}
	}
	require.Equal(t, 1, found, "%s has the line %s once", s.file, s.anchor)
	return after.String()
}

// copyRepository copies what the repository has, and the library of ONNX Runtime, which it
// leaves out, to a temporary folder. Recordings of tests are not needed there.
func copyRepository(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("it needs git to know which files belong to the repository")
	}
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	out, err := list.Output()
	if err != nil {
		t.Skip("it needs the files of the repository as git lists them: ", err)
	}
	files := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	libraries, err := filepath.Glob("services/onnx/lib/*/*.zst")
	require.NoError(t, err)
	dir := t.TempDir()
	for _, name := range append(files, libraries...) {
		if strings.Contains(name, "/testdata/") || strings.HasPrefix(name, "clients/") {
			continue
		}
		copyTo(t, name, filepath.Join(dir, name))
	}
	return dir
}

// copyTo copies one file; a file that git lists may have been removed.
func copyTo(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if os.IsNotExist(err) {
		return
	}
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	require.NoError(t, os.WriteFile(to, content, 0o644))
}

// runIn runs a command in a folder.
func runIn(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	began := time.Now()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
	t.Logf("%s %s: %.1f s", name, strings.Join(args, " "), time.Since(began).Seconds())
}

// settingsFile writes a configuration file.
func settingsFile(t *testing.T, settings string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(name, []byte(settings), 0o600))
	return name
}

// startBinary runs another binary than the one of the other tests, and returns once it is
// ready to serve.
func startBinary(t *testing.T, binary, data, settings string) *server {
	t.Helper()
	args := []string{"--listen", "127.0.0.1:0", "--data-dir", data, "--config", settingsFile(t, settings)}
	s, listening := launchCommand(t, exec.CommandContext(t.Context(), binary, args...))
	s.await(t, listening)
	require.Eventually(t, func() bool { return s.ready(t) }, startTimeout, 5*time.Millisecond, "the server is not ready\n%s", s.log)
	return s
}

// sendJSON sends a request with a body of JSON.
func (s *server) sendJSON(t *testing.T, method, path, body string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// expectJSON is sendJSON for an answer of a status.
func (s *server) expectJSON(t *testing.T, want int, method, path, body string) string {
	t.Helper()
	status, answer := s.sendJSON(t, method, path, body)
	require.Equal(t, want, status, fmt.Sprintf("%s %s %s: %s", method, path, body, answer))
	return answer
}
