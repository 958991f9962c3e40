package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
)

// rateOfPatterns is the sample rate of the sounds of patterns in Hz.
const rateOfPatterns = 16000

// ring returns a doorbell of two notes, a little different each time.
func ring(r *rand.Rand) (x []float64) {
	for _, hz := range []float64{660, 520} {
		partials := [3]float64{}
		for k, factor := range [3]float64{1, 2, 3.1} {
			partials[k] = hz * factor * (0.98 + 0.04*r.Float64())
		}
		for i := range rateOfPatterns * 3 / 10 {
			at, v := float64(i)/rateOfPatterns, 0.0
			for k, one := range partials {
				v += math.Sin(2*math.Pi*one*at) / float64(k+1)
			}
			x = append(x, 0.12*v*math.Exp(-5*at))
		}
	}
	return x
}

// rise returns a tone that rises and falls.
func rise(r *rand.Rand) (x []float64) {
	phase, scale := 0.0, 0.98+0.04*r.Float64()
	n := rateOfPatterns * 7 / 10
	for i := range n {
		phase += scale * (600 + 800*math.Sin(math.Pi*float64(i)/float64(n))) / rateOfPatterns
		x = append(x, 0.12*math.Sin(2*math.Pi*phase))
	}
	return x
}

// samplesWAV returns sound as a 16-bit WAV file.
func samplesWAV(x []float64) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF")
	_ = binary.Write(&b, binary.LittleEndian, uint32(36+2*len(x)))
	b.WriteString("WAVEfmt ")
	_ = binary.Write(&b, binary.LittleEndian, []uint16{16, 0, 1, 1, rateOfPatterns, 0, 2 * rateOfPatterns, 0, 2, 16})
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(2*len(x)))
	for _, v := range x {
		_ = binary.Write(&b, binary.LittleEndian, int16(32767*math.Max(-1, math.Min(1, v))))
	}
	return b.Bytes()
}

// street returns a recording with doorbells and, between them, rising tones, in faint noise,
// and where the doorbells begin, in seconds.
func street(r *rand.Rand, pairs int) (recording []byte, starts []float64) {
	x := make([]float64, rateOfPatterns/2)
	for range pairs {
		starts = append(starts, float64(len(x))/rateOfPatterns)
		x = append(append(x, ring(r)...), make([]float64, rateOfPatterns*(5+r.IntN(5))/10)...)
		x = append(append(x, rise(r)...), make([]float64, rateOfPatterns*(5+r.IntN(5))/10)...)
	}
	for i := range x {
		x[i] += 0.002 * r.NormFloat64()
	}
	return samplesWAV(x), starts
}

// taught is a pattern as the server shows it.
type taught struct {
	ID, Name, Model, Head string
	ModelHash             string `json:"model_hash"`
	Examples              []struct {
		ID      string
		AudioID string `json:"audio_id"`
	}
	Threshold struct {
		Value  float64
		Method string
	}
	SelfTest    *struct{ Found, Examples int } `json:"self_test"`
	Corrections struct{ Right, Wrong, Moved int }
	Advice      []string
}

// teach posts examples as files.
func (s *server) teach(t *testing.T, name string, make func(*rand.Rand) []float64, examples int) (int, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	r := rand.New(rand.NewPCG(uint64(len(name)), 5))
	for range examples {
		part, err := form.CreateFormFile("examples", name+".wav")
		require.NoError(t, err)
		_, err = part.Write(samplesWAV(make(r)))
		require.NoError(t, err)
	}
	require.NoError(t, form.WriteField("name", name))
	require.NoError(t, form.WriteField("metadata", `{"room":"hall"}`))
	require.NoError(t, form.Close())
	return s.send(t, http.MethodPost, "/v1/patterns", form.FormDataContentType(), &body)
}

// detected are detections as the server shows them.
type detected struct {
	Duration   float64
	Detections []struct {
		Pattern, Label, Example       string
		AudioID                       string `json:"audio_id"`
		Start, End, Score, Confidence float64
	}
}

func decoded[T any](t *testing.T, body string) (value T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(body), &value), body)
	return value
}

// requireFound requires one detection at each time.
func (d detected) requireFound(t *testing.T, starts []float64) {
	t.Helper()
	require.Len(t, d.Detections, len(starts), "%+v", d.Detections)
	for i, one := range d.Detections {
		require.InDelta(t, starts[i], one.Start, 0.2)
		require.InDelta(t, starts[i]+0.6, one.End, 0.3)
	}
}

// TestPatternsAreTaughtFoundAndCorrected goes the whole way with the embedded model.
func TestPatternsAreTaughtFoundAndCorrected(t *testing.T) {
	t.Parallel()
	s := start(t)
	status, body := s.teach(t, "doorbell", ring, 5)
	require.Equal(t, http.StatusCreated, status, body)
	bell := decoded[taught](t, body)
	require.Equal(t, []any{"clap-tiny", "prototype", "examples", 5}, []any{bell.Model, bell.Head, bell.Threshold.Method, bell.SelfTest.Found})
	require.Empty(t, bell.Advice)
	require.Len(t, bell.ModelHash, 64)
	status, body = s.teach(t, "doorbell", ring, 5)
	require.Equal(t, http.StatusBadRequest, status, body)
	require.Contains(t, body, "names must differ")

	recording, starts := street(rand.New(rand.NewPCG(9, 9)), 6)
	status, body = s.sendForm(t, "/v1/patterns/detect", recording)
	require.Equal(t, http.StatusOK, status, body)
	decoded[detected](t, body).requireFound(t, starts)
	id := s.storeSound(t, recording)
	request := fmt.Sprintf(`{"patterns":["doorbell"],"recordings":[%q]}`, id)
	for accept, want := range map[string]string{
		"text/csv": "pattern,label,audio_id,start,end,score,confidence,example\n", "text/x-rttm": "SPEAKER " + id + " 1 0.",
		"text/plain": "\tdoorbell\n",
	} {
		status, body := s.sendBody(t, "/v1/patterns/detect", "application/json", strings.NewReader(request), "Accept", accept)
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, want)
	}
	progress, result := s.work(t, `{"task":"detect","params":{"patterns":["doorbell"]},"audio_id":"`+id+`"}`)
	require.NotEmpty(t, progress)
	decoded[detected](t, result).requireFound(t, starts)

	s.checkCorrection(t, bell, id, starts)
	body = s.expectJSON(t, http.StatusConflict, http.MethodDelete, "/v1/audio/"+bell.Examples[0].AudioID, "")
	require.Contains(t, body, "a conversation or a pattern")
	body = s.expectJSON(t, http.StatusOK, http.MethodPatch, "/v1/patterns/doorbell", `{"name":"front door","metadata":{"room":""}}`)
	require.Contains(t, body, `"metadata":{}`)
	s.checkTransfer(t, id)
	s.expectJSON(t, http.StatusNoContent, http.MethodDelete, "/v1/patterns/"+bell.ID, "")
	s.expectJSON(t, http.StatusNotFound, http.MethodGet, "/v1/patterns/"+bell.ID, "")
}

// checkCorrection says of each doorbell that it is none, as a dry run and for good.
func (s *server) checkCorrection(t *testing.T, bell taught, id string, starts []float64) {
	t.Helper()
	var list []string
	for i, at := range starts {
		verdict := "right"
		if i%2 == 1 {
			verdict = "wrong"
		}
		list = append(list, fmt.Sprintf(`{"audio_id":%q,"start":%.2f,"end":%.2f,"verdict":%q}`, id, at, at+0.6, verdict))
	}
	for _, dry := range []bool{true, false} {
		body := s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/patterns/"+bell.ID+"/feedback",
			fmt.Sprintf(`{"feedback":[%s],"dry_run":%t}`, strings.Join(list, ","), dry))
		got := decoded[struct {
			Pattern taught
			Before  struct {
				Right int `json:"right_found"`
				Wrong int `json:"wrong_found"`
			}
		}](t, body)
		require.Equal(t, []int{3, 3}, []int{got.Before.Right, got.Before.Wrong})
		stored := decoded[taught](t, s.expectJSON(t, http.StatusOK, http.MethodGet, "/v1/patterns/"+bell.ID, ""))
		require.Equal(t, !dry, stored.Corrections.Wrong == 3)
	}
}

// checkTransfer exports all patterns, and imports them under another name.
func (s *server) checkTransfer(t *testing.T, id string) {
	t.Helper()
	status, lines := s.get(t, "/v1/patterns/export")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 1+5+6, strings.Count(lines, "\n"))
	status, body := s.sendForm(t, "/v1/patterns/import", []byte(lines))
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, "line 1: name is that of your pattern")
	lines = strings.Replace(lines, `"name":"front door"`, `"name":"back door"`, 1)
	status, body = s.sendForm(t, "/v1/patterns/import", []byte(lines))
	require.Equal(t, http.StatusOK, status, body)
	list := decoded[struct{ Data []taught }](t, s.expectJSON(t, http.StatusOK, http.MethodGet, "/v1/patterns", ""))
	require.Len(t, list.Data, 2)
	require.Equal(t, "back door", list.Data[0].Name)
	require.Equal(t, 3, list.Data[0].Corrections.Wrong)
	hits := decoded[struct {
		Searched int
		Hits     []struct{ Unknown bool }
	}](t, s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/patterns/search",
		fmt.Sprintf(`{"pattern":"front door","recordings":[%q],"limit":3}`, id)))
	require.Len(t, hits.Hits, 3)
	text := s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/patterns/search", `{"text":"a bell","limit":1}`)
	require.Contains(t, text, `"searched":0`, "captions are indexed with the first search for one")
	relations := s.expectJSON(t, http.StatusOK, http.MethodGet, "/v1/patterns/front%20door/relations", "")
	require.Contains(t, relations, `"name":"back door","similar":`)
}

// TestKillsLoseNoSpansAndNoPatterns kills the server at any moment while recordings are
// indexed and patterns are taught. What was acknowledged is there afterwards.
func TestKillsLoseNoSpansAndNoPatterns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 3))
	var names, indexed []string
	searched := 0
	for round := range 4 {
		s := startWith(t, options{dataDir: dir})
		for _, name := range names {
			s.expectJSON(t, http.StatusOK, http.MethodGet, "/v1/patterns/"+name, "")
		}
		if len(indexed) > 0 {
			body := s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/patterns/search", `{"pattern":"`+names[0]+`"}`)
			got := decoded[struct{ Searched int }](t, body)
			require.GreaterOrEqual(t, got.Searched, searched, "round %d", round)
			searched = got.Searched
		}
		var killed *time.Timer
		for i := 0; ; i++ {
			name := fmt.Sprintf("ring-%d-%d", round, i)
			if status, _ := s.tryTeach(name, r); status != http.StatusCreated {
				break
			}
			names = append(names, name)
			if i == 0 { // from here on at any moment
				killed = time.AfterFunc(time.Duration(r.IntN(1500))*time.Millisecond, func() { _ = s.cmd.Process.Kill() })
			}
			recording, _ := street(r, 1)
			id, ok := s.tryIndex(name, recording)
			if !ok {
				break
			}
			indexed = append(indexed, id)
			searched += leastSpans
		}
		require.NotNil(t, killed, "round %d\n%s", round, s.log)
		killed.Stop()
		s.kill()
	}
	require.NotEmpty(t, names)
	require.NotEmpty(t, indexed)
}

// leastSpans is fewer than the spans of the shortest recording of street.
const leastSpans = 10

// tryTeach teaches a pattern on a server that may be killed; the status is then 0.
func (s *server) tryTeach(name string, r *rand.Rand) (int, string) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("examples", "one.wav")
	if err == nil {
		_, err = part.Write(samplesWAV(ring(r)))
	}
	if err != nil {
		return 0, ""
	}
	_ = form.WriteField("name", name)
	_ = form.Close()
	return s.try("/v1/patterns", form.FormDataContentType(), &body)
}

// tryIndex stores a recording and adds it to the index.
func (s *server) tryIndex(pattern string, recording []byte) (id string, ok bool) {
	status, body := s.try("/v1/audio", "audio/wav", bytes.NewReader(recording))
	var stored struct{ ID string }
	if status != http.StatusCreated || json.Unmarshal([]byte(body), &stored) != nil {
		return "", false
	}
	status, _ = s.try("/v1/patterns/search", "application/json", strings.NewReader(fmt.Sprintf(
		`{"pattern":%q,"recordings":[%q]}`, pattern, stored.ID)))
	return stored.ID, status == http.StatusOK
}

// try posts a body to a server that may be killed; the status is then 0.
func (s *server) try(path, kind string, body io.Reader) (int, string) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+path, body)
	if err != nil {
		return 0, err.Error()
	}
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

// TestProcessesOfAClusterShareTheirPatterns has two processes on one store.
func TestProcessesOfAClusterShareTheirPatterns(t *testing.T) {
	t.Parallel()
	port := recordstest.FreePorts(t, 1)[0]
	node(t, natsServer(t), t.TempDir(), port)
	settings := configured(t, `jobs: {url: "nats://127.0.0.1:`+strconv.Itoa(port)+`"}`)
	one, two := start(t, settings...), start(t, settings...)
	recording, starts := street(rand.New(rand.NewPCG(4, 4)), 2)
	var body string
	require.Eventually(t, func() bool { // the processes connect
		var status int
		status, body = one.teach(t, "doorbell", ring, 3)
		return status == http.StatusCreated
	}, startTimeout, 50*time.Millisecond)
	began := time.Now()
	bell := decoded[taught](t, body)
	require.Eventually(t, func() bool {
		status, _ := two.get(t, "/v1/patterns/doorbell")
		return status == http.StatusOK
	}, startTimeout, time.Millisecond)
	t.Logf("the other process has the pattern after %s", time.Since(began).Round(time.Millisecond))
	status, body := two.sendForm(t, "/v1/patterns/detect", recording)
	require.Equal(t, http.StatusOK, status, body)
	decoded[detected](t, body).requireFound(t, starts)
	id := one.storeSound(t, recording)
	search := fmt.Sprintf(`{"pattern":%q,"recordings":[%q],"limit":3}`, bell.ID, id)
	want := one.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/patterns/search", search)
	got := two.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/patterns/search", `{"pattern":"doorbell","limit":3}`)
	require.JSONEq(t, want, got)

	made := make(chan int, 6) // both processes teach a pattern of one name at the same time
	for i := range cap(made) {
		go func() {
			body := fmt.Sprintf(`{"name":"chime","examples":[{"audio_id":%q,"start":%.2f,"end":%.2f}]}`, id, starts[0], starts[0]+0.6)
			status, _ := []*server{one, two}[i%2].sendBody(t, "/v1/patterns", "application/json", strings.NewReader(body))
			made <- status
		}()
	}
	counts := make(map[int]int)
	for range cap(made) {
		counts[<-made]++
	}
	require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusBadRequest: 5}, counts)
}
