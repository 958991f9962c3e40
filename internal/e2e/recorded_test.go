package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var updateRecorded = flag.Bool("update-recorded", false, "write the recorded answers anew")

// accessRecording is the name of the recording of who may do what.
const accessRecording = "access"

// TestRecordedRequests sends every recorded request to the real binary and
// compares the answers with those that were recorded.
func TestRecordedRequests(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := newPlayer(t, s)
			var answers []recordedAnswer
			for _, r := range s.Requests {
				answers = append(answers, p.reduce(r, p.play(r)))
			}
			require.NoError(t, p.server.stop(t), p.server.log)
			compare(t, s.name, answers)
		})
	}
}

// compare reports every difference to a recording, or writes it.
func compare(t *testing.T, name string, answers []recordedAnswer) {
	t.Helper()
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	require.NoError(t, encoder.Encode(answers))
	if *updateRecorded {
		require.NoError(t, os.WriteFile(recordingFile(name), written.Bytes(), 0o644))
		return
	}
	// What was just made is read back, so that both went through JSON.
	found := differences(recorded(t, name), decodeAnswers(t, written.Bytes()))
	if len(found) > 0 {
		t.Errorf("%d differences to %s:\n%s", len(found), recordingFile(name), strings.Join(found, "\n"))
	}
}

func recordingFile(name string) string {
	return filepath.Join("internal", "e2e", "testdata", "recorded", "answers", name+".json")
}

func recorded(t testing.TB, name string) []recordedAnswer {
	t.Helper()
	data, err := os.ReadFile(recordingFile(name))
	require.NoError(t, err, "go test ./internal/e2e -update-recorded writes it")
	return decodeAnswers(t, data)
}

func decodeAnswers(t testing.TB, data []byte) (answers []recordedAnswer) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&answers))
	return answers
}

// operation is one of the contract.
type operation struct {
	method, path string
}

func (o operation) String() string { return o.method + " " + o.path }

// operations reads the contract, in the order of their paths.
func operations(t testing.TB) (all []operation) {
	t.Helper()
	var contract struct {
		Paths map[string]map[string]yaml.Node `yaml:"paths"`
	}
	require.NoError(t, yaml.Unmarshal(read(t, "openapi.yaml"), &contract))
	methods := []string{"get", "head", "post", "put", "patch", "delete"}
	for _, path := range slices.Sorted(maps.Keys(contract.Paths)) {
		for _, method := range methods {
			if _, ok := contract.Paths[path][method]; ok {
				all = append(all, operation{strings.ToUpper(method), path})
			}
		}
	}
	require.Greater(t, len(all), 40)
	return all
}

// find returns the operation that a request calls; the one with the longest
// literal part wins.
func find(all []operation, request string) (best operation) {
	method, path, _ := strings.Cut(request, " ")
	path, _, _ = strings.Cut(path, "?")
	segments, most := strings.Split(path, "/"), -1
	for _, o := range all {
		literal, pattern := 0, strings.Split(o.path, "/")
		fits := o.method == method && len(pattern) == len(segments)
		for i := 0; fits && i < len(pattern); i++ {
			if pattern[i] == segments[i] {
				literal++
			} else if !strings.HasPrefix(pattern[i], "{") {
				fits = false
			}
		}
		if fits && literal > most {
			best, most = o, literal
		}
	}
	return best
}

// TestEveryOperationIsRecorded asks for a success of each, and for an error of
// each that can have one without a key.
func TestEveryOperationIsRecorded(t *testing.T) {
	t.Parallel()
	if *updateRecorded {
		t.Skip("the recordings are being written")
	}
	all := operations(t)
	requests, names := 0, make(map[string]bool)
	good, bad := make(map[operation]int), make(map[operation]int)
	for _, s := range scenarios(t) {
		requests += len(s.Requests)
		for _, r := range s.Requests {
			require.False(t, names[s.name+r.Name], "%s has two requests named %s", s.name, r.Name)
			names[s.name+r.Name] = true
		}
		for _, a := range recorded(t, s.name) {
			if a.Status < http.StatusBadRequest {
				good[find(all, a.Request)]++
			} else {
				bad[find(all, a.Request)]++
			}
		}
	}
	require.GreaterOrEqual(t, requests, 170)
	for _, o := range all {
		if good[o] == 0 && o.String() != "DELETE /v1/models/{model}" { // which needs a pulled one
			t.Errorf("no request for %s succeeds; add one to testdata/recorded/requests", o)
		}
	}
	t.Logf("%d requests of %d operations, %d of them with errors too", requests, len(all), len(bad))
}

// TestRecordedAccess asks for every operation without a key, with an unknown
// one, and with a key of each scope.
func TestRecordedAccess(t *testing.T) {
	t.Parallel()
	p := newPlayer(t, scenario{Keys: []string{"use", "read", "admin"}, Settings: map[string]any{"auth": map[string]any{"mode": "keys"}}})
	p.keys["unknown"] = "grym_00_11"
	examples := strings.NewReplacer("{service}", "wav2vec2", "breaker/{action}", "breaker/reset", "{action}", "load",
		"{model}", "wav2vec2-tiny",
		"{job_id}", "job-none", "{pipeline}", "none", "{task_id}", "task-none", "{audio_id}", strings.Repeat("0", 64), "{context_id}", "ctx_none",
		"{pattern_id}", "pat_none")
	asked := []string{"GET /nothing", "GET /v1/nothing", "PUT /livez", "PUT /v1/models"}
	for _, o := range operations(t) {
		asked = append(asked, o.method+" "+examples.Replace(o.path))
	}
	var answers []recordedAnswer
	for _, request := range asked {
		body := make(map[string]any)
		for _, holder := range []string{"", "unknown", "use", "read", "admin"} {
			got := p.play(recordRequest{Name: request, Send: request, Key: holder, Endless: true})
			body["key "+holder] = strconv.Itoa(got.status) + " " + field(got.body, "error.code") + field(got.body, "type") +
				" " + got.header.Get("Www-Authenticate")
		}
		answers = append(answers, recordedAnswer{Name: request, Request: request, Body: body})
	}
	compare(t, accessRecording, answers)
}
