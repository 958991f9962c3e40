package manage

import (
	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/resources"
)

// ResourcesView returns the state of the memory budget.
func (s *State) ResourcesView() gen.Resources {
	usage, budget, patterns, measured := s.Memory.Usage(), s.Memory.Budget(), s.Memory.Patterns(), s.Memory.Measurements()
	view := gen.Resources{
		BudgetBytes: int64(usage.Budget), Bound: budget.Bound, LeasedBytes: int64(usage.Leased),
		RetainedBytes: int64(usage.Retained), ModelBytes: int64(usage.Resident),
		Resources: []gen.Resource{}, Services: []gen.ServiceUse{},
		Cleanups: gen.Cleanups{Runs: int64(usage.Cleanups.Runs), Models: int64(usage.Cleanups.Models), Bytes: int64(usage.Cleanups.Bytes),
			ModelsPerHour: int64(usage.Cleanups.LastHour.Models), BytesPerHour: int64(usage.Cleanups.LastHour.Bytes)},
	}
	if last := usage.Cleanups.Last; !last.IsZero() {
		view.Cleanups.Last = &last
	}
	for _, r := range s.Memory.Inventory() {
		resource := gen.Resource{
			Id: r.ID, Type: gen.ResourceType(r.Type), Service: r.Service, Name: r.Name, Bytes: int64(r.Bytes), RetainedBytes: int64(r.Retained),
			Status: gen.ResourceStatus(r.Status), Created: r.Created, LastUsed: r.LastUsed, Metadata: r.Metadata,
		}
		if r.Metadata == nil {
			resource.Metadata = map[string]any{}
		}
		if r.Problem != "" {
			resource.Problem = &r.Problem
		}
		view.Resources = append(view.Resources, resource)
	}
	for _, u := range usage.Services {
		use := gen.ServiceUse{
			Name: u.Name, MaxBytes: int64(u.Limit.MaxMemory), MaxRuns: u.Runs, LeasedBytes: int64(u.Leased), ModelBytes: int64(u.Resident),
			Running: u.Running, Waiting: u.Waiting, Models: []gen.ModelPrediction{}, Pattern: patternView(patterns[u.Name]),
			Measurements: measurementViews(measured[u.Name]),
		}
		for _, m := range u.Models {
			use.Models = append(use.Models, gen.ModelPrediction{
				Name: m.Name, PredictedBytes: int64(m.Predicted), ObservedBytes: int64(m.Observed), Correction: m.Correction,
			})
		}
		view.Services = append(view.Services, use)
	}
	return view
}

// measurementViews returns the measured runs of a service.
func measurementViews(list []resources.Measurement) []gen.Measurement {
	views := make([]gen.Measurement, 0, len(list))
	for _, one := range list {
		view := gen.Measurement{
			At: one.At, Model: one.Model, Task: one.Task, Sizes: make(map[string]float64),
			EstimatedBytes: int64(one.Estimated), ReservedBytes: int64(one.Reserved), UsedBytes: int64(one.Used),
		}
		for _, size := range one.Sizes {
			view.Sizes[size.Name] = size.Value
		}
		views = append(views, view)
	}
	return views
}

// patternView returns the allocation pattern of a service.
func patternView(p resources.Pattern) gen.AllocationPattern {
	view := gen.AllocationPattern{
		Leases: int64(p.Leases), PerMinute: p.PerMinute, Refused: make(map[string]int64),
		Measured: int64(p.Measured), Exceeded: int64(p.Exceeded),
		BytesP50: int64(p.BytesP50), BytesP95: int64(p.BytesP95), BytesMax: int64(p.BytesMax), PeakBytes: int64(p.Peak),
		WaitP50Seconds: p.WaitP50.Seconds(), WaitP95Seconds: p.WaitP95.Seconds(),
		HeldP50Seconds: p.HeldP50.Seconds(), HeldP95Seconds: p.HeldP95.Seconds(),
	}
	for why, n := range p.Refused {
		view.Refused[string(why)] = int64(n)
	}
	if efficiency := p.Efficiency(); efficiency > 0 {
		view.Efficiency = &efficiency
	}
	return view
}
