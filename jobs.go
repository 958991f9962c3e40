package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/jobs/natsstore"
	"github.com/grym-synth/grym-synth/orchestrator/jobs/webhook"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
)

// asynchronous is what keeps and runs jobs.
type asynchronous struct {
	store   *natsstore.Store
	manager *jobs.Manager
	// until is when jobs still at work are interrupted; drain sets it.
	until time.Time
}

// openJobs opens the job store and makes the manager over it; nothing is worked
// on before its start. A store that cannot be opened now is tried again, and the
// rest of the server serves meanwhile.
func (s *system) openJobs(ctx context.Context, cfg config.Config, spool string) (*asynchronous, error) {
	hooks := cfg.Jobs.Webhooks
	if hooks.Secret == "" {
		var err error
		if hooks.Secret, err = webhook.KeptSecret(filepath.Join(cfg.DataDir, "webhook.secret")); err != nil {
			return nil, err
		}
	}
	storage := cfg.Jobs.Store
	storage.Dir = cfg.JobsDir()
	store := natsstore.Open(ctx, storage, memprobe.DiskFree, s.log)
	manager := jobs.NewManager(cfg.Jobs.Work, jobs.Dependencies{
		Store: store, Executor: s.orchestrator, Sender: webhook.New(hooks), Encode: api.JobBody,
		Describe: func(name string) (services.Description, error) {
			entry, err := s.registry.Lookup(name)
			if err != nil {
				return services.Description{}, err
			}
			return entry.Describe(), nil
		},
		Runs: s.runs, Ageing: cfg.SystemHardening.ResourceManagement.Ageing,
		MaxAttempts: cfg.SystemHardening.ErrorRecovery.MaxAttempts, MaxDeliveries: hooks.MaxAttempts,
		SpoolDir: spool, Log: s.log,
	})
	s.contexts.KeepContexts(manager)
	watchJobs(s.metrics, manager)
	return &asynchronous{store: store, manager: manager}, nil
}

// inform adds what the probes tell of the jobs.
func (a *asynchronous) inform(view api.HealthView) api.HealthView {
	ok, detail := true, fmt.Sprintf("%d jobs are queued, the oldest for %s", a.manager.Count(jobs.StatusQueued), a.manager.OldestQueued().Round(time.Millisecond))
	if problem := a.store.Problem(); problem != "" {
		ok, detail = false, problem
	} else if !a.manager.Ready() {
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
	a.manager.StopIntake()
}

// stop waits for what drain left, sends jobs still at work back to the queue,
// and closes the store.
func (a *asynchronous) stop() {
	ctx, cancel := context.WithDeadline(context.Background(), a.until)
	defer cancel()
	a.manager.Stop(ctx)
	a.store.Close()
}

// watchJobs exports what the manager knows, at each scrape.
func watchJobs(reg prometheus.Registerer, manager *jobs.Manager) {
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
		}, func() float64 { return float64(manager.AudioBytes()) }),
	)
}
