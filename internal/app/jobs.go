package app

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	apijobs "github.com/grym-synth/grym-synth/api/jobs"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/datadir"
	"github.com/grym-synth/grym-synth/orchestrator/conversations"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/jobs/webhook"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/natsstore"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
)

// storage stores recordings, conversations and the records of services.
type storage struct {
	store         *natsstore.Store
	database      *records.Database
	library       *library.Library
	conversations *conversations.Conversations
}

// openStorage returns the store and its collections; nothing is opened before the start.
func openStorage(cfg config.Config, log *slog.Logger) *storage {
	settings := cfg.Jobs.Store
	settings.Dir = cfg.JobsDir()
	s := &storage{store: natsstore.New(settings, memprobe.DiskFree, log)}
	s.database = records.NewDatabase(s.store, log)
	s.library = library.New(cfg.Jobs.Work.Audio, s.database, log)
	s.conversations = conversations.New(s.database, s.library, log)
	return s
}

// asynchronous runs jobs, whose records are in the storage.
type asynchronous struct {
	*storage
	jobs    *jobs.Manager
	upgrade *upgrade
}

// openJobs returns the parts that process jobs; nothing runs before the start.
func (s *system) openJobs(cfg config.Config, stored *storage, dir *datadir.Dir) (*asynchronous, error) {
	hooks := cfg.Jobs.Webhooks
	if hooks.Secret == "" {
		var err error
		if hooks.Secret, err = webhook.LoadSecret(filepath.Join(cfg.DataDir, "webhook.secret")); err != nil {
			return nil, err
		}
	}
	weights, err := resources.ParseWeights(cfg.SystemHardening.ResourceManagement.Weights)
	if err != nil {
		return nil, err
	}
	a := &asynchronous{storage: stored}
	a.jobs = jobs.NewManager(cfg.Jobs.Work, jobs.Dependencies{
		Database: a.database, Library: a.library, Executor: s.orchestrator, Sender: webhook.New(hooks), Encode: apijobs.Body,
		Describe: func(name string) (services.Description, error) {
			entry, err := s.registry.Lookup(name)
			if err != nil {
				return services.Description{}, err
			}
			return entry.Describe(), nil
		},
		Bind: s.orchestrator.Resolver().Bind,
		Runs: s.runs, Width: s.memory.Runs, Weights: weights, Ageing: cfg.SystemHardening.ResourceManagement.Ageing,
		MaxAttempts: cfg.SystemHardening.ErrorRecovery.MaxAttempts, MaxDeliveries: hooks.MaxAttempts, Log: s.log,
	})
	a.upgrade = &upgrade{database: a.database, jobs: a.jobs, dir: dir, log: s.log}
	watchJobs(s.metrics, a.jobs, a.library)
	return a, nil
}

// check returns the health check of the jobs.
func (a *asynchronous) check() hardening.Check {
	ok, detail := true, fmt.Sprintf("%d jobs queued, the oldest for %s", a.jobs.Count(jobs.StatusQueued),
		a.jobs.OldestQueued().Round(time.Millisecond))
	if problem := a.store.Problem(); problem != "" {
		ok, detail = false, problem
	} else if !a.jobs.Ready() {
		ok, detail = false, "jobs are still being loaded"
	}
	if damage := a.store.Damage(); damage != "" {
		detail += "; " + damage
	}
	return hardening.Check{Name: "jobs", At: time.Now(), OK: ok, Detail: detail}
}

// watchJobs exports the numbers of jobs and recordings at each scrape.
func watchJobs(reg prometheus.Registerer, manager *jobs.Manager, recordings *library.Library) {
	for _, status := range jobs.Statuses() {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grym_jobs", Help: "Stored jobs, by status.", ConstLabels: prometheus.Labels{"status": string(status)},
		}, func() float64 { return float64(manager.Count(status)) }))
	}
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grym_job_queue_oldest_seconds", Help: "Age of the job that has been queued longest; 0 if none is queued.",
		}, func() float64 { return manager.OldestQueued().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grym_job_audio_bytes", Help: "Bytes of the stored recordings.",
		}, func() float64 { return float64(recordings.Bytes()) }),
	)
}
