package e2e

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// go test ./internal/e2e -run ABatchSurvivesKills -batch 20000 -timeout 30m -v.
var batchItems = flag.Int("batch", 600, "items of the batch during which the server is killed")

// batch is a batch as a client reads it.
type batch struct {
	ID, Status, Title string
	Items             int
	Counts            struct{ Pending, Queued, Running, Succeeded, Failed, Cancelled int }
	Progress          float64
}

// batchResult is a line of results.
type batchResult struct {
	Item                       int
	Name, Status, Job, AudioID string
	Task, Model                string
	Attempts                   int
	Result                     json.RawMessage
	Files                      []string
	Sounds                     []struct{ ContentType string }
	Error                      *struct{ Message string }
}

// call sends a request and decodes the JSON of its response.
func (s *server) call(t testing.TB, method, path string, body io.Reader, contentType string, want int, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	require.NoError(t, err)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	status, text := do(t, request)
	require.Equal(t, want, status, text)
	if into != nil {
		require.NoError(t, json.Unmarshal([]byte(text), into), text)
	}
}

// sendLines submits a batch as JSON lines.
func (s *server) sendLines(t testing.TB, want int, lines ...string) (made batch) {
	t.Helper()
	s.call(t, http.MethodPost, "/v1/batches", strings.NewReader(strings.Join(lines, "\n")), "application/x-ndjson", want, &made)
	return made
}

// awaitBatch follows the events of a batch up to its end, and returns it and its items' last
// states.
func (s *server) awaitBatch(t testing.TB, id string) (ended batch, items map[int]string) {
	t.Helper()
	items = make(map[int]string)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/batches/"+id+"/events", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	event := ""
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, data, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			event = data
		case name == "data" && event == "item":
			var item struct {
				Item   int
				Status string
			}
			require.NoError(t, json.Unmarshal([]byte(data), &item))
			items[item.Item] = item.Status
		case name == "data" && event == "end":
			require.NoError(t, json.Unmarshal([]byte(data), &ended))
			return ended, items
		}
	}
	t.Fatal("the stream ended before the batch")
	return ended, items
}

// results returns the lines of a batch.
func (s *server) results(t testing.TB, id string) (list []batchResult) {
	t.Helper()
	status, text := s.getText(t, "/v1/batches/"+id+"/results")
	require.Equal(t, http.StatusOK, status)
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var one batchResult
		require.NoError(t, json.Unmarshal([]byte(line), &one), line)
		list = append(list, one)
	}
	return list
}

// getText is get for any test.
func (s *server) getText(t testing.TB, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	require.NoError(t, err)
	return do(t, request)
}

// TestABatchOfFiles transcribes a folder as subtitles, with a file that is no recording.
func TestABatchOfFiles(t *testing.T) {
	t.Parallel()
	s := start(t)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, content := range map[string][]byte{
		"one.wav": clip(t, "clip01.wav"), "two.wav": clip(t, "clip02.wav"), "notes.wav": []byte("no sound"),
	} {
		part, err := form.CreateFormFile("audio[]", name)
		require.NoError(t, err)
		_, err = part.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, form.WriteField("request", `{"task":"transcribe","params":{"response_format":"srt"},"labels":{"album":"7"}}`))
	require.NoError(t, form.Close())
	var made batch
	s.call(t, http.MethodPost, "/v1/batches", &body, form.FormDataContentType(), http.StatusAccepted, &made)
	require.Equal(t, 3, made.Items)
	ended, items := s.awaitBatch(t, made.ID)
	require.Equal(t, "failed", ended.Status)
	require.Equal(t, 2, ended.Counts.Succeeded)
	require.Equal(t, 1, ended.Counts.Failed)
	for _, one := range s.results(t, made.ID) {
		require.Equal(t, one.Name == "notes.wav", one.Status == "failed", "%+v", one)
		if seen, ok := items[one.Item]; ok { // items that ended before the stream began are not in it
			require.Equal(t, seen, one.Status)
		}
	}
	status, text := s.getText(t, "/v1/batches/"+made.ID+"/results?format=zip")
	require.Equal(t, http.StatusOK, status)
	archive, err := zip.NewReader(strings.NewReader(text), int64(len(text)))
	require.NoError(t, err)
	var names []string
	for _, file := range archive.File {
		names = append(names, file.Name)
	}
	slices.Sort(names)
	require.Equal(t, []string{"one.srt", "results.jsonl", "two.srt"}, names)
	one, err := archive.Open("one.srt")
	require.NoError(t, err)
	subtitles, err := io.ReadAll(one)
	require.NoError(t, err)
	require.Regexp(t, `^1\n00:00:`, string(subtitles))

	s.call(t, http.MethodPost, "/v1/batches/"+made.ID+"/retry", nil, "", http.StatusOK, &made)
	ended, items = s.awaitBatch(t, made.ID)
	require.Equal(t, "failed", ended.Status)
	require.LessOrEqual(t, len(items), 1, "only the failed item ran again")
	s.call(t, http.MethodDelete, "/v1/batches/"+made.ID+"?purge=true", nil, "", http.StatusNoContent, nil)
	s.call(t, http.MethodGet, "/v1/batches/"+made.ID, nil, "", http.StatusNotFound, nil)
}

// TestAnArchiveOfSounds has the sounds that items made, under names that do not collide.
func TestAnArchiveOfSounds(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.storeSound(t, wav(8000, 1, 800))
	item := `{"name":"a/tone.wav","audio_id":"` + id + `","params":{"container":"flac"}}`
	made := s.sendLines(t, http.StatusAccepted, `{"batch":{"task":"convert","title":"tones"}}`, item, "", item)
	require.Equal(t, "tones", made.Title)
	ended, _ := s.awaitBatch(t, made.ID)
	require.Equal(t, "succeeded", ended.Status)
	status, text := s.getText(t, "/v1/batches/"+made.ID+"/results?format=zip")
	require.Equal(t, http.StatusOK, status)
	archive, err := zip.NewReader(strings.NewReader(text), int64(len(text)))
	require.NoError(t, err)
	for i, name := range []string{"tone.flac", "tone-2.flac", "results.jsonl"} {
		require.Equal(t, name, archive.File[i].Name)
	}
	sound, err := archive.Open("tone.flac")
	require.NoError(t, err)
	head := make([]byte, 4)
	_, err = io.ReadFull(sound, head)
	require.NoError(t, err)
	require.Equal(t, "fLaC", string(head))
}

// TestWrongLinesAreNamed refuses batches whose lines are wrong, with line and field.
func TestWrongLinesAreNamed(t *testing.T) {
	t.Parallel()
	s := start(t, "--config", settingsFile(t, "jobs: {batches: {maxItems: 3}}"))
	id := s.storeSound(t, wav(8000, 1, 800))
	good := `{"task":"analyze","audio_id":"` + id + `"}`
	bad := strings.Replace(good, `"analyze"`, `"convert","params":{"container":"mp7"}`, 1)
	long := `{"name":"` + strings.Repeat("x", 1<<20) + `"}`
	nowhere := strings.ReplaceAll(good, id, strings.Repeat("0", 64))
	for name, c := range map[string]struct{ lines, want []string }{
		"no JSON":       {[]string{good, "{", good}, []string{"items[1] line 2: is not valid JSON"}},
		"another field": {[]string{`{"audioid":"x"}`}, []string{"items[0].audioid line 1: is not a known field"}},
		"another type":  {[]string{good, `{"params":7}`}, []string{"items[1].params line 2: must be an object"}},
		"no task":       {[]string{`{"audio_id":"` + id + `"}`}, []string{"items[0].task line 1: is missing; name the task"}},
		"no such task":  {[]string{`{"task":"dance"}`}, []string{`items[0].task line 1: must be convert, analyze`}},
		"wrong params":  {[]string{good, bad}, []string{"items[1].params.container line 2: "}},
		"no recording":  {[]string{`{"task":"analyze"}`}, []string{"items[0].audio_id line 1: is missing; name a stored recording"}},
		"too many":      {[]string{good, good, good, good}, []string{"items line 4: must be at most 3, which is the setting"}},
		"label":         {[]string{`{"labels":{"a b":"c"}}`}, []string{"items[0].labels line 1: must have keys of 1 to 63"}},
		"head":          {[]string{`{"batch":{"task":7}}`, good}, []string{"batch.task line 1: must be a string"}},
		"head and more": {[]string{`{"batch":{},"name":"x"}`, good}, []string{"batch line 1: must be the only field of its line"}},
		"several":       {[]string{"x", good, `{"audio_id":"y"}`}, []string{"items[0] line 1: is not valid JSON", "items[2].audio_id line 3: "}},
		"nothing":       {[]string{"", ""}, []string{"items are missing; a batch has at least one"}},
		"not stored":    {[]string{nowhere}, []string{"items[0].audio_id line 1: names no stored"}},
		"a long line":   {[]string{good, long}, []string{"items[1] line 2: has more than 1048576 bytes"}},
	} {
		var problem struct {
			Errors []struct{ Field, Problem string }
		}
		s.call(t, http.MethodPost, "/v1/batches", strings.NewReader(strings.Join(c.lines, "\n")), "application/x-ndjson",
			http.StatusBadRequest, &problem)
		require.Len(t, problem.Errors, len(c.want), "%s: %+v", name, problem)
		for i, want := range c.want {
			got := problem.Errors[i].Field + " " + problem.Errors[i].Problem
			require.Contains(t, got, want, name)
		}
	}
	s.sendLines(t, http.StatusAccepted, good)
}

// TestManyJobsByLabel cancels and deletes jobs together.
func TestManyJobsByLabel(t *testing.T) {
	t.Parallel()
	s := start(t, "--config", settingsFile(t, "jobs: {services: [wav2vec2]}")) // conversions wait
	id := s.storeSound(t, wav(8000, 1, 800))
	for i := range 5 {
		s.call(t, http.MethodPost, "/v1/jobs", strings.NewReader(fmt.Sprintf(
			`{"task":"convert","audio_id":%q,"labels":{"even":"%t"}}`, id, i%2 == 0)), "application/json", http.StatusAccepted, nil)
	}
	var changed struct{ Matched, Cancelled, Deleted int }
	s.call(t, http.MethodDelete, "/v1/jobs?label=even:true", nil, "", http.StatusOK, &changed)
	require.Equal(t, 3, changed.Cancelled)
	s.call(t, http.MethodDelete, "/v1/jobs?label=even:true", nil, "", http.StatusOK, &changed)
	require.Equal(t, 0, changed.Cancelled)
	s.call(t, http.MethodDelete, "/v1/jobs?label=even:true&purge=true", nil, "", http.StatusOK, &changed)
	require.Equal(t, 3, changed.Deleted)
	s.call(t, http.MethodDelete, "/v1/jobs?label=even:false&purge=true", nil, "", http.StatusOK, &changed)
	require.Equal(t, 2, changed.Matched)
	require.Equal(t, 0, changed.Deleted, "they have not ended")
	s.call(t, http.MethodDelete, "/v1/jobs", nil, "", http.StatusBadRequest, nil)
}

// jobEnded finds the ends of jobs in the log.
var jobEnded = regexp.MustCompile(`job attempt ended.*job[=":]+(job-[0-9a-z]+).*status[=":]+succeeded`)

// TestABatchSurvivesKills kills the server twice while a batch larger than the queue runs, and
// measures the submission and the counts.
func TestABatchSurvivesKills(t *testing.T) {
	const allowed = 64 << 20
	n := *batchItems
	p := newPhoenix(t, "--config", settingsFile(t, "jobs: {maxQueued: 50}"))
	id := p.storeSound(t, wav(8000, 1, 800))
	var lines bytes.Buffer
	lines.WriteString(`{"batch":{"task":"analyze","priority":"low"}}`)
	for i := range n {
		fmt.Fprintf(&lines, "\n{\"name\":\"item %d\",\"audio_id\":\"%s\"}", i, id)
	}
	rest := p.resident(t, "VmRSS")
	p.forgetPeak(t)
	var made batch
	began := time.Now()
	p.call(t, http.MethodPost, "/v1/batches", &lines, "application/x-ndjson", http.StatusAccepted, &made)
	took, peak := time.Since(began), p.resident(t, "VmHWM")
	t.Logf("%d items accepted in %s; %d MB at rest, %d MB at the peak", n, took.Round(time.Millisecond), rest>>20, peak>>20)
	require.LessOrEqual(t, peak-rest, int64(allowed))

	ends := make(map[string]int)
	var asked []time.Duration
	for kill := 1; kill <= 2; kill++ {
		require.Eventually(t, func() bool {
			began := time.Now()
			var now batch
			p.call(t, http.MethodGet, "/v1/batches/"+made.ID, nil, "", http.StatusOK, &now)
			asked = append(asked, time.Since(began))
			c := now.Counts
			require.Equal(t, n, c.Pending+c.Queued+c.Running+c.Succeeded+c.Failed+c.Cancelled)
			return c.Succeeded >= kill*n/3
		}, 30*time.Minute, 20*time.Millisecond)
		p.kill()
		for _, found := range jobEnded.FindAllStringSubmatch(p.log.String(), -1) {
			ends[found[1]]++
		}
		p.rise(t)
		require.Eventually(t, func() bool { return p.ready(t) }, startTimeout, 5*time.Millisecond)
	}
	ended, _ := p.awaitBatch(t, made.ID)
	require.Equal(t, "succeeded", ended.Status)
	require.Equal(t, n, ended.Counts.Succeeded)
	for _, found := range jobEnded.FindAllStringSubmatch(p.log.String(), -1) {
		ends[found[1]]++
	}
	require.GreaterOrEqual(t, len(ends), n*9/10, "the log has the ends")
	for job, times := range ends {
		require.Equal(t, 1, times, job)
	}
	slices.Sort(asked)
	t.Logf("the counts took %s at the median of %d", asked[len(asked)/2], len(asked))
	require.Less(t, asked[len(asked)/2], 50*time.Millisecond)
	results := p.results(t, made.ID)
	require.Len(t, results, n)
	for i, one := range results {
		require.Equal(t, i, one.Item)
		require.Equal(t, fmt.Sprintf("item %d", i), one.Name)
		require.Equal(t, "succeeded", one.Status)
	}
}
