package manage

import (
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/hardening/performance"
)

// PerformanceView returns the state of the performance monitor, with at most the given
// number of recent samples.
func (s *State) PerformanceView(samples int) gen.Performance {
	report := s.Performance.Report()
	view := gen.Performance{
		Enabled: report.Enabled, IntervalSeconds: report.Interval.Seconds(), Samples: []gen.PerformanceSample{},
		Warnings: warnings(report.Warnings), PastWarnings: warnings(report.Over),
		Forecast: gen.MemoryForecast{Known: report.Memory.Known, Compared: report.Memory.Compared},
	}
	var latest *performance.Sample
	if n := len(report.Samples); n > 0 {
		latest = &report.Samples[n-1]
	}
	view.Network = networkView(s.Performance.Network(), latest)
	if f := report.Memory; f.Known {
		view.Forecast.BytesPerSecond, view.Forecast.BytesInAMinute = &f.BytesPerSecond, &f.Bytes
		view.Forecast.FullInSeconds = seconds(f.FullIn)
	}
	if report.Memory.Compared > 0 {
		view.Forecast.MeanErrorBytes = &report.Memory.MeanError
	}
	for _, sample := range report.Samples[max(len(report.Samples)-samples, 0):] {
		shown := gen.PerformanceSample{
			At: sample.At, CpuCores: sample.CPU, ResidentBytes: int64(sample.Resident), HeapBytes: int64(sample.Heap),
			EngineBytes: int64(sample.Engine),
			Goroutines:  sample.Goroutines, FileDescriptors: sample.FileDescriptors, Waiting: sample.Waiting,
			SchedulingP99Seconds: sample.SchedulingP99.Seconds(), GcPauseP99Seconds: sample.GCPauseP99.Seconds(),
			ReceivedBytesPerSecond: sample.ReceivedPerSecond, SentBytesPerSecond: sample.SentPerSecond,
			Uploads: sample.Uploads, Streams: sample.Streams,
			Services: []gen.ServicePerformance{},
		}
		for _, service := range sample.Services {
			shown.Services = append(shown.Services, gen.ServicePerformance{
				Custom: customValues(service.Custom), Waiting: service.Waiting, Running: service.Running,

				Name: service.Name, Tasks: service.Tasks, Failed: service.Failed, PerSecond: service.PerSecond,
				LatencyP50Seconds: seconds(service.P50), LatencyP95Seconds: seconds(service.P95), LatencyP99Seconds: seconds(service.P99),
			})
		}
		view.Samples = append(view.Samples, shown)
	}
	return view
}

// customValues returns a service's custom metrics by name, or nil if there are none.
func customValues(list []performance.CustomValue) *map[string]float64 {
	if len(list) == 0 {
		return nil
	}
	values := make(map[string]float64, len(list))
	for _, v := range list {
		values[v.Name] = v.Value
	}
	return &values
}

// seconds returns a duration in seconds, or nil for 0.
func seconds(d time.Duration) *float64 {
	if d == 0 {
		return nil
	}
	s := d.Seconds()
	return &s
}

func warnings(list []performance.Warning) []gen.PerformanceWarning {
	shown := make([]gen.PerformanceWarning, 0, len(list))
	for _, w := range list {
		warning := gen.PerformanceWarning{Name: w.Name, Detail: w.Detail, Since: w.Since}
		if !w.Until.IsZero() {
			warning.Until = &w.Until
		}
		shown = append(shown, warning)
	}
	return shown
}
