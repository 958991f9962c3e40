package app

import (
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// resourcesView returns the memory budget's books.
func (s *system) resourcesView() gen.Resources {
	usage, budget, patterns := s.memory.Usage(), s.memory.Budget(), s.memory.Patterns()
	view := gen.Resources{
		BudgetBytes: int64(usage.Budget), Bound: budget.Bound, LeasedBytes: int64(usage.Leased),
		RetainedBytes: int64(usage.Retained), ModelBytes: int64(usage.Resident),
		Resources: []gen.Resource{}, Services: []gen.ServiceUse{},
		Cleanups: gen.Cleanups{Runs: int64(usage.Cleanups.Runs), Models: int64(usage.Cleanups.Models), Bytes: int64(usage.Cleanups.Bytes), ModelsPerHour: int64(usage.Cleanups.LastHour.Models), BytesPerHour: int64(usage.Cleanups.LastHour.Bytes)},
	}
	if last := usage.Cleanups.Last; !last.IsZero() {
		view.Cleanups.Last = &last
	}
	for _, r := range s.memory.Inventory() {
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

// patternView returns how a service takes memory.
func patternView(p resources.Pattern) gen.AllocationPattern {
	view := gen.AllocationPattern{
		Leases: int64(p.Leases), PerMinute: p.PerMinute, Refused: make(map[string]int64), Measured: int64(p.Measured),
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

// sessions are the engine's open sessions as resources.
func (s *system) sessions() (list []resources.Resource) {
	numbers := make(map[string]int)
	for _, session := range s.runtime.Sessions() {
		name := session.Graph
		if numbers[name]++; numbers[name] > 1 {
			name += "#" + strconv.Itoa(numbers[name])
		}
		r := resources.Resource{
			ID: "session/" + name, Type: "session", Name: name, Status: resources.StatusReady, Created: session.Created, LastUsed: session.LastUsed,
			Metadata: map[string]any{"inputs": session.Inputs, "outputs": session.Outputs, "runs": session.Runs, "running": session.Running},
		}
		if session.Running > 0 {
			r.Status = resources.StatusBusy
		}
		list = append(list, r)
	}
	return list
}

// maxFiles bounds the files that the inventory lists of each folder.
const maxFiles = 1000

// files are what is stored on disk as resources: what tasks work on and made,
// conversations, the jobs' store, and models' folders.
func (s *system) files() (list []resources.Resource) {
	for _, folder := range []struct{ name, dir string }{{"spool", s.spool}, {"jobs", s.cfg.JobsDir()}, {"models", s.cfg.ModelsDir()}} {
		n := 0
		// A folder that is not there has nothing in it; a file may go while we look.
		_ = filepath.WalkDir(folder.dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return nil //nolint:nilerr // what cannot be read is not listed
			}
			info, err := entry.Info()
			if err != nil {
				return nil //nolint:nilerr // it has gone meanwhile
			}
			if n++; n > maxFiles {
				return fs.SkipAll
			}
			name, err := filepath.Rel(folder.dir, path)
			if err != nil {
				name = entry.Name()
			}
			name = filepath.ToSlash(name)
			list = append(list, resources.Resource{
				ID: "file/" + folder.name + "/" + name, Type: "file", Name: name, Bytes: services.Bytes(info.Size()),
				Status: resources.StatusReady, Created: info.ModTime(), LastUsed: info.ModTime(),
				Metadata: map[string]any{"folder": folder.name, "extension": strings.TrimPrefix(filepath.Ext(name), ".")},
			})
			return nil
		})
	}
	return list
}
