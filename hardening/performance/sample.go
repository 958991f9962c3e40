package performance

import (
	"iter"
	"math"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// ProcessUsage is what the system reports about the process; zero fields are unknown.
type ProcessUsage struct {
	// CPU time that the process used since its start, of all threads.
	CPU time.Duration
	// Resident set, and the Budget that it is compared with.
	Resident, Budget services.Bytes
	// FileDescriptors that are open, and tasks that wait.
	FileDescriptors, Waiting int
	// Link is the speed of the fastest network link, in bytes per second.
	Link     float64
	Services []ServiceUse
}

// ServiceUse is the load of a service.
type ServiceUse struct {
	Name string
	// Waiting and Running tasks now, and the total that Arrived.
	Waiting, Running int
	Arrived          uint64
}

// Sample is one sample of the performance monitor.
type Sample struct {
	At time.Time
	// CPU is how many cores were busy since the sample before.
	CPU float64
	// Resident set; Heap is the part used by Go objects, Engine the part outside Go:
	// the library, models and the working memory of runs.
	Resident, Heap, Engine services.Bytes
	Goroutines             int
	// FileDescriptors that are open, and Waiting tasks.
	FileDescriptors, Waiting int
	// SchedulingP99 is how long goroutines waited for a processor, GCPauseP99 how
	// long the collector stopped them, since the sample before.
	SchedulingP99, GCPauseP99 time.Duration
	// ReceivedPerSecond and SentPerSecond are bytes of requests and answers since the
	// sample before; Uploads and Streams are under way.
	ReceivedPerSecond, SentPerSecond float64
	Uploads, Streams                 int
	Services                         []ServiceSample
}

// ServiceSample is a service's last minute.
type ServiceSample struct {
	Name string
	// Tasks that ended, Failed ones among them, and their rate.
	Tasks, Failed int
	PerSecond     float64
	// Latency percentiles of successful tasks from arrival to end; zero without any.
	P50, P95, P99 time.Duration
	// Waiting and Running tasks now.
	Waiting, Running int
	// Custom are the figures that the service itself registered.
	Custom []CustomValue
}

const (
	// serviceWindow is the period that a service's sample covers.
	serviceWindow = time.Minute
	// serviceTasks is the maximum number of latest tasks that a service's sample
	// covers.
	serviceTasks = 4096
)

// ended is a task that has ended.
type ended struct {
	at     time.Time
	took   time.Duration
	failed bool
}

// sampleService returns the sample of a service from its tasks since a time.
func sampleService(name string, tasks iter.Seq[ended], since time.Time) ServiceSample {
	s := ServiceSample{Name: name}
	var took []time.Duration
	for e := range tasks {
		switch {
		case e.at.Before(since):
			continue
		case e.failed:
			s.Failed++
		default:
			took = append(took, e.took)
		}
		s.Tasks++
	}
	s.PerSecond = float64(s.Tasks) / serviceWindow.Seconds()
	if p := services.Percentiles(took, 50, 95, 99); p != nil {
		s.P50, s.P95, s.P99 = p[0], p[1], p[2]
	}
	return s
}

// Names in runtime/metrics.
const (
	metricScheduling = "/sched/latencies:seconds"
	metricPauses     = "/sched/pauses/total/gc:seconds"
	metricHeap       = "/memory/classes/heap/objects:bytes"
	metricMapped     = "/memory/classes/total:bytes"
	metricReleased   = "/memory/classes/heap/released:bytes"
)

// goRuntime reads runtime/metrics. Not safe for concurrent use.
type goRuntime struct {
	samples            []metrics.Sample
	scheduling, pauses []uint64
}

func newGoRuntime() *goRuntime {
	return &goRuntime{samples: []metrics.Sample{
		{Name: metricScheduling}, {Name: metricPauses}, {Name: metricHeap}, {Name: metricMapped}, {Name: metricReleased},
	}}
}

// read completes a sample whose resident set is known.
func (g *goRuntime) read(s *Sample) {
	metrics.Read(g.samples)
	s.SchedulingP99 = since(g.samples[0].Value.Float64Histogram(), &g.scheduling)
	s.GCPauseP99 = since(g.samples[1].Value.Float64Histogram(), &g.pauses)
	s.Heap = services.Bytes(g.samples[2].Value.Uint64())
	// Go's mapping less what it released; some of it was never touched.
	s.Engine = max(s.Resident-services.Bytes(g.samples[3].Value.Uint64()-g.samples[4].Value.Uint64()), 0)
	s.Goroutines = runtime.NumGoroutine()
}

// since returns the 99th percentile of a histogram since the counts in before, which it
// replaces: the upper bound of the bucket that contains it.
func since(h *metrics.Float64Histogram, before *[]uint64) time.Duration {
	counts := slices.Clone(h.Counts)
	var total uint64
	for i := range counts {
		if i < len(*before) {
			counts[i] -= (*before)[i]
		}
		total += counts[i]
	}
	*before = slices.Clone(h.Counts)
	if total == 0 {
		return 0
	}
	rank := services.PercentileRank(total, 99)
	var seen uint64
	for i, n := range counts {
		if seen += n; seen >= rank {
			upper := h.Buckets[i+1]
			if math.IsInf(upper, 1) {
				upper = h.Buckets[i]
			}
			return time.Duration(upper * float64(time.Second))
		}
	}
	return 0
}
