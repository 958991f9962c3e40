package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// event is an event of a job.
type event struct {
	id   uint64
	name string
	data job
}

// events reads the events of a job until the stream ends, after the last id; "" reads all.
func (s *server) events(t *testing.T, id, last string) (status int, events []event) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/jobs/"+id+"/events", http.NoBody)
	require.NoError(t, err)
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var now event
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case lines.Text() == "" && now.name != "":
			events = append(events, now)
			now = event{}
		case field == "id":
			now.id, err = strconv.ParseUint(value, 10, 64)
			require.NoError(t, err)
		case field == "event":
			now.name = value
		case field == "data":
			require.NoError(t, json.Unmarshal([]byte(value), &now.data), value)
		}
	}
	require.NoError(t, lines.Err())
	return response.StatusCode, events
}

// TestEventsGoOnWhereTheConnectionWasLost follows a job and then comes back as an
// EventSource does.
func TestEventsGoOnWhereTheConnectionWasLost(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.app(t)
	j := s.accepted(t, app, transcription(longSpeech(t, 20), ""))
	status, events := s.events(t, j.ID, "")
	require.Equal(t, http.StatusOK, status)
	require.GreaterOrEqual(t, len(events), 2)
	for i, e := range events[1:] {
		require.Greater(t, e.id, events[i].id)
	}
	end := events[len(events)-1]
	require.Equal(t, "end succeeded", end.name+" "+end.data.Status)
	_, rest := s.events(t, j.ID, strconv.FormatUint(events[0].id, 10))
	require.Len(t, rest, 1, "what it is now, and the end is that")
	require.Equal(t, end, rest[0])
	status, none := s.events(t, j.ID, strconv.FormatUint(end.id, 10))
	require.Equal(t, http.StatusNoContent, status)
	require.Empty(t, none)
}

// TestAShortJobOvertakesALongOne submits three seconds of speech after an hour of speech.
func TestAShortJobOvertakesALongOne(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.app(t)
	long := s.accepted(t, app, transcription(pcm(8000, make([]byte, 2*8000*3600)), ""))
	becomesJob(t, app, long.ID, func(j job) bool { return j.Status == "running" && j.Progress > 0 })
	began := time.Now()
	short := s.accepted(t, app, transcription(longSpeech(t, 3), ""))
	short, err := app.wait(t.Context(), short.ID)
	require.NoError(t, err)
	took := time.Since(began)
	require.Equal(t, "succeeded", short.Status)
	long, err = app.get(t.Context(), long.ID)
	require.NoError(t, err)
	require.Equal(t, "running", long.Status)
	t.Logf("3 s of speech behind an hour of it: %s, the hour is at %.0f %%", took.Round(time.Millisecond), 100*long.Progress)
	answers(t, app, http.MethodDelete, "/v1/jobs/"+long.ID, http.StatusOK)
}
