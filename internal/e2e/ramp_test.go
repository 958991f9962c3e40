package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	rampFor  = flag.Duration("ramp", 0, "raise and lower the load of a server within this time; 0 skips it")
	rampPeak = flag.Float64("ramp-peak", 1.2, "runs that are asked for at the top of the ramp, by the time of one recording alone")
	rampFile = flag.String("ramp-file", "", "a file for the series of the ramp, as JSON")
)

// outlook is a service's part of the forecast.
type outlook struct {
	Series []struct {
		Series, Service string
		Now             float64
		Known           bool
		Ahead           []ahead
	}
	Runs []struct {
		Service, Action, Reason string
		Runs                    int
		Demand                  float64
	}
}

type ahead struct {
	Minutes    int
	Value      *float64
	Used       bool
	Compared   int
	MeanError  float64 `json:"mean_error"`
	NaiveError float64 `json:"naive_error"`
}

// rampRow is a sample of the ramp.
type rampRow struct {
	offered, queue, demand float64
	runs                   int
	ahead                  ahead
}

// look returns the present row of a service.
func (s *server) look(t *testing.T, service string, offered float64) rampRow {
	t.Helper()
	_, body := s.get(t, "/v1/system/forecast")
	var view outlook
	require.NoError(t, json.Unmarshal([]byte(body), &view), body)
	row := rampRow{offered: offered}
	for _, one := range view.Series {
		if one.Service == service && one.Series == "queue_tasks" {
			row.queue = one.Now
			row.ahead = one.Ahead[0]
		}
	}
	for _, one := range view.Runs {
		if one.Service == service {
			row.runs, row.demand = one.Runs, one.Demand
		}
	}
	return row
}

// TestARampOnTheRealServer raises the load of a server to more than one run can do and lowers it
// again, with requests at random times, and prints widths, queue and forecasts.
func TestARampOnTheRealServer(t *testing.T) {
	if *rampFor == 0 {
		t.Skip("takes minutes; -ramp 10m runs it")
	}
	if runtime.NumCPU() < 2 {
		t.Skip("one core is one run")
	}
	s := startWith(t, options{settings: "systemHardening: {performanceMonitoring: {checkInterval: 1s}}\n"})
	speech := longSpeech(t, 30)
	var alone times
	for range 5 {
		alone.add(func() {
			status, body := s.transcribe(t, speech)
			require.Equal(t, http.StatusOK, status, body)
		})
	}
	peak := *rampPeak / alone.at(0.5).Seconds()
	t.Logf("a recording takes %s alone", alone.at(0.5))
	random := rand.New(rand.NewPCG(1, 2))
	began := time.Now()
	rate := func() float64 {
		part := time.Since(began).Seconds() / rampFor.Seconds()
		return max(peak*2*min(part, 1-part), 0)
	}
	var clients sync.WaitGroup
	stop := make(chan struct{})
	clients.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(random.ExpFloat64() / max(rate(), 0.05) * float64(time.Second))):
				clients.Go(func() {
					status, body := s.transcribe(t, speech)
					if status != http.StatusOK {
						t.Errorf("%d %s", status, body)
					}
				})
			}
		}
	})
	var rows []rampRow
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for time.Since(began) < *rampFor {
		<-ticker.C
		rows = append(rows, s.look(t, "wav2vec2", rate()))
	}
	close(stop)
	clients.Wait()
	require.Eventually(t, func() bool {
		rows = append(rows, s.look(t, "wav2vec2", 0))
		return rows[len(rows)-1].runs == rows[0].runs
	}, 10*time.Minute, time.Second)
	report(t, rows)
}

// report prints a ramp and checks that its widths go up once and down once.
func report(t *testing.T, rows []rampRow) {
	t.Helper()
	var queue, offered []float64
	var table strings.Builder
	turns, last := 0, 0
	for i, row := range rows {
		queue, offered = append(queue, row.queue), append(offered, row.offered)
		if i > 0 && row.runs != rows[i-1].runs {
			if step := row.runs - rows[i-1].runs; last*step < 0 {
				turns++
				last = step
			} else {
				last = step
			}
		}
		if i%(len(rows)/16+1) == 0 || i > 0 && row.runs != rows[i-1].runs || i == len(rows)-1 {
			forecast := "-"
			if row.ahead.Value != nil {
				forecast = fmt.Sprintf("%.1f", *row.ahead.Value)
			}
			fmt.Fprintf(&table, "| %d s | %.2f | %.2f | %d | %.0f | %s | %v | %.2f | %.2f |\n", i, row.offered, row.demand, row.runs, row.queue,
				forecast, row.ahead.Used, row.ahead.MeanError, row.ahead.NaiveError)
		}
	}
	t.Logf("the ramp:\n%s", table.String())
	if *rampFile != "" {
		raw, err := json.Marshal(map[string][]float64{"queue": queue, "offered": offered})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(*rampFile, raw, 0o600))
	}
	require.Equal(t, 1, turns)
}
