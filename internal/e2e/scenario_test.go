package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// scenario is a list of requests that one server receives in their order.
type scenario struct {
	// name is that of the file.
	name string
	// Settings come over those of every scenario.
	Settings map[string]any `yaml:"settings"`
	// Keys are the scopes of API keys that the requests use.
	Keys []string `yaml:"keys"`
	// Models is a folder of models to copy into the data folder.
	Models   string          `yaml:"models"`
	Requests []recordRequest `yaml:"requests"`
}

// recordRequest is one request and how its answer is recorded. In Send, Headers,
// Form, JSON and Body $(name) stands for a captured value, $(base64:name) for
// a recording, $(url) for the server, $(hook) for the receiver of webhooks.
type recordRequest struct {
	Name string `yaml:"name"`
	// Send is the method and the path. The method HOOK waits for the next
	// webhook that was sent to the path and records that.
	Send string `yaml:"send"`
	// Key is the scope of the key that is sent; none where it is empty.
	Key     string            `yaml:"key"`
	Headers map[string]string `yaml:"headers"`
	// Form is multipart; a value @name is a recording as a file.
	Form []map[string]string `yaml:"form"`
	JSON string              `yaml:"json"`
	// Body is sent as it is, Sound is the name of a recording.
	Body  string `yaml:"body"`
	Sound string `yaml:"sound"`
	// Until repeats the request until fields of the answer have these values.
	Until map[string]string `yaml:"until"`
	// HangUpAfter ends a stream of events after the first one of this name.
	HangUpAfter string `yaml:"hang_up_after"`
	// Endless leaves the body of a success unread.
	Endless bool `yaml:"endless"`
	// Capture maps names to fields of the answer.
	Capture map[string]string `yaml:"capture"`
	// Record is how much of the body is recorded; see reducer.
	Record string `yaml:"record"`
	// Vary are names of fields and headers whose values are left out.
	Vary []string `yaml:"vary"`
	// Without are names of fields that are left out, because they depend on how fast things go.
	Without []string `yaml:"without"`
}

// everywhere are settings that keep answers the same from run to run: nothing
// happens by the clock, and nothing depends on the machine's cores or programs.
const everywhere = `
auth: {failuresPerMinute: 0}
audio: {ffmpeg: "off"}
jobs: {webhooks: {allowPrivate: true}}
systemHardening:
  healthMonitoring: {checkInterval: 1h}
  performanceMonitoring: {checkInterval: 1h}
  resourceManagement: {cleanupInterval: 1h, dynamic: "off"}
services:
  audioProcessor: {runs: 1}
  wav2vec2: {runs: 1}
  audioldm: {runs: 1}
  gama: {runs: 1}
`

// scenarios reads every list of requests.
func scenarios(t testing.TB) (all []scenario) {
	t.Helper()
	files, err := filepath.Glob("internal/e2e/testdata/recorded/requests/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		s := scenario{name: strings.TrimSuffix(filepath.Base(file), ".yaml")}
		decoder := yaml.NewDecoder(bytes.NewReader(data))
		decoder.KnownFields(true)
		require.NoError(t, decoder.Decode(&s), file)
		all = append(all, s)
	}
	return all
}

// player sends the requests of one scenario.
type player struct {
	t      testing.TB
	server *server
	hooks  *hooks
	keys   map[string]string
	// values are what was captured.
	values map[string]string
}

// newPlayer starts the server of a scenario.
func newPlayer(t testing.TB, s scenario) *player {
	t.Helper()
	p := &player{t: t, hooks: newHooks(t), keys: make(map[string]string)}
	o := options{dataDir: t.TempDir(), settings: p.settings(s.Settings)}
	for _, scope := range s.Keys {
		p.keys[scope] = createKey(t, o.dataDir, scope)
	}
	if s.Models != "" {
		require.NoError(t, os.CopyFS(filepath.Join(o.dataDir, "models"), os.DirFS(filepath.FromSlash(s.Models))))
	}
	p.server = startWith(t, o)
	p.values = map[string]string{"url": p.server.url, "hook": p.hooks.url, "folder": o.dataDir}
	return p
}

// settings returns a configuration file with those of a scenario.
func (p *player) settings(own map[string]any) string {
	var all map[string]any
	require.NoError(p.t, yaml.Unmarshal([]byte(everywhere), &all))
	merge(all, own)
	data, err := yaml.Marshal(all)
	require.NoError(p.t, err)
	return string(data)
}

func merge(into, from map[string]any) {
	for key, value := range from {
		inner, isMap := value.(map[string]any)
		if old, ok := into[key].(map[string]any); ok && isMap {
			merge(old, inner)
			continue
		}
		into[key] = value
	}
}

// rawAnswer is an answer as it came.
type rawAnswer struct {
	status int
	header http.Header
	body   []byte
}

// pollTimeout bounds the time until an answer has the fields of Until.
const pollTimeout = 2 * time.Minute

// play sends a request, several times where it is to be repeated.
func (p *player) play(r recordRequest) rawAnswer {
	p.t.Helper()
	for deadline := time.Now().Add(pollTimeout); ; time.Sleep(10 * time.Millisecond) {
		got := p.send(r)
		if p.reached(r.Until, got.body) {
			for name, path := range r.Capture {
				value := field(got.body, path)
				require.NotEmpty(p.t, value, "%s: the answer has no %s: %s", r.Name, path, got.body)
				p.values[name] = value
			}
			return got
		}
		require.True(p.t, time.Now().Before(deadline), "%s: %v is not reached: %s\n%s", r.Name, r.Until, got.body, p.server.log)
	}
}

func (p *player) reached(until map[string]string, body []byte) bool {
	for path, want := range until {
		if field(body, path) != want {
			return false
		}
	}
	return true
}

// lastEventID, in Capture, is the id of the last event of a stream.
const lastEventID = "last event id"

// field returns a field of a JSON object by its path; empty where there is none.
func field(body []byte, path string) string {
	if path == lastEventID {
		_, id, _ := strings.Cut(string(body[max(0, bytes.LastIndex(body, []byte("id: "))):]), "id: ")
		id, _, _ = strings.Cut(id, "\n")
		return id
	}
	var value any
	if json.Unmarshal(body, &value) != nil {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		if list, ok := value.([]any); ok {
			at, err := strconv.Atoi(name)
			if err != nil || at >= len(list) {
				return ""
			}
			value = list[at]
			continue
		}
		object, _ := value.(map[string]any)
		value = object[name]
	}
	text, _ := value.(string)
	return text
}

// send sends a request once.
func (p *player) send(r recordRequest) rawAnswer {
	p.t.Helper()
	method, path, ok := strings.Cut(r.Send, " ")
	require.True(p.t, ok, r.Name)
	path = p.fill(path)
	if method == "HOOK" {
		return p.hooks.next(p.t, path)
	}
	body, contentType := p.body(r)
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.server.url+path, body)
	require.NoError(p.t, err, r.Name)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if r.Key != "" {
		request.Header.Set("Authorization", "Bearer "+p.keys[r.Key])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		request.Header.Set(name, p.fill(r.Headers[name]))
	}
	response, err := client.Do(request)
	require.NoError(p.t, err, "%s\n%s", r.Name, p.server.log)
	defer response.Body.Close()
	got := rawAnswer{status: response.StatusCode, header: response.Header}
	if r.Endless && got.status < http.StatusMultipleChoices {
		return got
	}
	if r.HangUpAfter != "" {
		got.body = eventsUntil(p.t, response.Body, r.HangUpAfter)
		return got
	}
	got.body, err = io.ReadAll(response.Body)
	require.NoError(p.t, err, r.Name)
	return got
}

// client follows no redirect, so that each is recorded.
var client = &http.Client{
	Timeout:       2 * time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// body returns what a request sends and its content type.
func (p *player) body(r recordRequest) (io.Reader, string) {
	p.t.Helper()
	switch {
	case r.JSON != "":
		return strings.NewReader(p.fill(r.JSON)), "application/json"
	case r.Sound != "":
		return bytes.NewReader(recording(p.t, r.Sound)), ""
	case r.Body != "":
		return strings.NewReader(p.fill(r.Body)), ""
	case r.Form == nil:
		return http.NoBody, ""
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, fields := range r.Form {
		for field, value := range fields {
			name, isFile := strings.CutPrefix(value, "@")
			if !isFile {
				require.NoError(p.t, w.WriteField(field, p.fill(value)))
				continue
			}
			part, err := w.CreateFormFile(field, name)
			require.NoError(p.t, err)
			_, err = part.Write(recording(p.t, name))
			require.NoError(p.t, err)
		}
	}
	require.NoError(p.t, w.Close())
	return &body, w.FormDataContentType()
}

var placeholder = regexp.MustCompile(`\$\([^)]*\)`)

// fill replaces the placeholders of a text.
func (p *player) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		name = name[2 : len(name)-1]
		if sound, ok := strings.CutPrefix(name, "base64:"); ok {
			return base64.StdEncoding.EncodeToString(recording(p.t, sound))
		}
		if key, ok := strings.CutPrefix(name, "key:"); ok {
			return p.keys[key]
		}
		value, ok := p.values[name]
		require.True(p.t, ok, "nothing was captured as %s", name)
		return value
	})
}
