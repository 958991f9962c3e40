package app

import (
	"runtime"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/manage"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/resources/memprobe"
)

// settings is the configuration in force as the routes show it.
type settings struct{ *config.Live }

var _ manage.Settings = settings{}

// Describe implements manage.Settings.
func (s settings) Describe() ([]gen.Setting, error) {
	list, err := s.Live.Describe()
	described := make([]gen.Setting, 0, len(list))
	for _, one := range list {
		described = append(described, gen.Setting{
			Key: one.Key, Description: one.Description, Default: one.Default, Origin: one.Origin, Live: one.Live,
		})
	}
	return described, err
}

// capacity returns what the server has.
func (s *system) capacity(counts *jobs.Manager) gen.Capacity {
	c := gen.Capacity{
		Cores: runtime.GOMAXPROCS(0), QueuePlaces: s.memory.QueueLimit(),
		JobsQueued: counts.Count(jobs.StatusQueued), JobsRunning: counts.Count(jobs.StatusRunning),
	}
	if size, free, err := memprobe.Disk(s.cfg.DataDir); err == nil {
		c.DiskBytes, c.DiskFreeBytes = new(int64(size)), new(int64(free))
	}
	return c
}
