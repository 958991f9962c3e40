package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/datadir"
	"github.com/grym-synth/grym-synth/orchestrator/conversations"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/jobs/webhook"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/natsstore"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
)

// asynchronous stores recordings and conversations, and runs jobs.
type asynchronous struct {
	store    *natsstore.Store
	database *records.Database
	library  *library.Library
	jobs     *jobs.Manager
	upgrade  *upgrade
	// until is when jobs still at work are interrupted; drain sets it.
	until time.Time
}

// openJobs makes the store and what lies in it; nothing runs before start.
func (s *system) openJobs(cfg config.Config, dir *datadir.Dir) (*asynchronous, error) {
	hooks := cfg.Jobs.Webhooks
	if hooks.Secret == "" {
		var err error
		if hooks.Secret, err = webhook.LoadSecret(filepath.Join(cfg.DataDir, "webhook.secret")); err != nil {
			return nil, err
		}
	}
	storage := cfg.Jobs.Store
	storage.Dir = cfg.JobsDir()
	a := &asynchronous{store: natsstore.New(storage, memprobe.DiskFree, s.log)}
	a.database = records.NewDatabase(a.store, s.log)
	a.library = library.New(cfg.Jobs.Work.Audio, a.database, s.log)
	stored := conversations.New(a.database, a.library, s.log)
	a.jobs = jobs.NewManager(cfg.Jobs.Work, jobs.Dependencies{
		Database: a.database, Library: a.library, Executor: s.orchestrator, Sender: webhook.New(hooks), Encode: api.JobBody,
		Describe: func(name string) (services.Description, error) {
			entry, err := s.registry.Lookup(name)
			if err != nil {
				return services.Description{}, err
			}
			return entry.Describe(), nil
		},
		Runs: s.runs, Ageing: cfg.SystemHardening.ResourceManagement.Ageing,
		MaxAttempts: cfg.SystemHardening.ErrorRecovery.MaxAttempts, MaxDeliveries: hooks.MaxAttempts, Log: s.log,
	})
	a.upgrade = &upgrade{database: a.database, jobs: a.jobs, dir: dir, log: s.log}
	s.contexts.KeepContexts(stored)
	watchJobs(s.metrics, a.jobs, a.library)
	return a, nil
}

// start opens the store and works on its jobs. A store that cannot be opened now is
// tried again, and the rest of the server serves meanwhile.
func (a *asynchronous) start(ctx context.Context) error {
	for _, part := range []interface {
		Start(ctx context.Context) error
	}{a.store, a.database, a.upgrade, a.jobs} {
		if err := part.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// inform adds the check of the jobs to what the probes answer.
func (a *asynchronous) inform(view api.HealthView) api.HealthView {
	ok, detail := true, fmt.Sprintf("%d jobs are queued, the oldest for %s", a.jobs.Count(jobs.StatusQueued), a.jobs.OldestQueued().Round(time.Millisecond))
	if problem := a.store.Problem(); problem != "" {
		ok, detail = false, problem
	} else if !a.jobs.Ready() {
		ok, detail = false, "the stored jobs are still being read"
	}
	if damage := a.store.Damage(); damage != "" {
		detail += "; " + damage
	}
	view.Checks = append(view.Checks, gen.HealthCheck{Name: "jobs", At: time.Now(), Ok: ok, Detail: &detail})
	return view
}

// drain starts no further job. Those at work may go on for the time given.
func (a *asynchronous) drain(timeout time.Duration) {
	a.until = time.Now().Add(timeout)
	a.jobs.StopIntake()
}

// stop waits for what drain left, sends jobs still at work back to the queue,
// and closes the store.
func (a *asynchronous) stop() error {
	ctx, cancel := context.WithDeadline(context.Background(), a.until)
	defer cancel()
	err := a.jobs.Stop(ctx) // it may take all of the time
	last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, a.upgrade.Stop(last), a.database.Stop(last), a.store.Stop(last))
}

// watchJobs exports the numbers of jobs and recordings, at each scrape.
func watchJobs(reg prometheus.Registerer, manager *jobs.Manager, recordings *library.Library) {
	for _, status := range jobs.Statuses() {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grym_jobs", Help: "Jobs that are kept, by status.", ConstLabels: prometheus.Labels{"status": string(status)},
		}, func() float64 { return float64(manager.Count(status)) }))
	}
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grym_job_queue_oldest_seconds", Help: "Age of the job that has waited the longest in the queue; 0 where none waits.",
		}, func() float64 { return manager.OldestQueued().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grym_job_audio_bytes", Help: "Bytes of the stored recordings.",
		}, func() float64 { return float64(recordings.Bytes()) }),
	)
}
