package app

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	apijobs "github.com/grym-synth/grym-synth/api/jobs"
	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/datadir"
	"github.com/grym-synth/grym-synth/orchestrator/audit"
	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/conversations"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/jobs/webhook"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
	"github.com/grym-synth/grym-synth/orchestrator/records/natsstore"
	"github.com/grym-synth/grym-synth/orchestrator/renditions"
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
	// actions are what operators did.
	actions *audit.Log
	// renditions are the pictures and peaks of recordings; nil stores none.
	renditions *renditions.Cache
}

// openStorage returns the store and its collections; only the ledger of the store in this
// process is opened before the start.
func openStorage(cfg config.Config, log *slog.Logger) (*storage, error) {
	settings := cfg.Jobs.Store
	settings.Dir = cfg.JobsDir()
	s := &storage{store: natsstore.New(settings, memprobe.DiskFree, log)}
	s.database = records.NewDatabase(s.store, log)
	if s.store.Exclusive() {
		noted, err := ledger.Open(ledgerFile(cfg), ledger.Options{SyncInterval: settings.SyncInterval})
		if err != nil {
			return nil, err
		}
		s.database.KeepLedger(noted)
	}
	s.library = library.New(cfg.Jobs.Work.Audio, s.database, log)
	s.library.SetProbe(factsOf)
	var err error
	if s.renditions, err = renditions.Open(filepath.Join(cfg.DataDir, "pictures"), cfg.Jobs.Work.Audio.Pictures, log); err != nil {
		return nil, err
	}
	s.library.SetRenditions(s.renditions)
	s.conversations = conversations.New(s.database, s.library, log)
	s.actions = audit.New(s.database)
	return s, nil
}

// ledgerFile returns the ledger of the configured store: another folder or bucket has
// another one, as it has other records.
func ledgerFile(cfg config.Config) string {
	name := "records"
	bucket := cfg.Jobs.Store.Bucket
	dir, err := filepath.Rel(cfg.DataDir, cfg.JobsDir())
	if err != nil || dir != "jobs" || bucket != natsstore.DefaultConfig().Bucket {
		sum := sha256.Sum256([]byte(cfg.JobsDir() + "\x00" + bucket))
		name += "-" + hex.EncodeToString(sum[:4])
	}
	return filepath.Join(cfg.DataDir, "ledger", name+".log")
}

// asynchronous runs jobs, whose records are in the storage.
type asynchronous struct {
	*storage
	jobs    *jobs.Manager
	batches *batches.Manager
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
		Bind: s.orchestrator.Resolver().Bind, Held: s.orchestrator.Held, Pin: s.pin, Restart: s.restartJob,
		Runs: s.runs, Width: s.memory.Runs, Weights: weights, Ageing: cfg.SystemHardening.ResourceManagement.Ageing,
		MaxAttempts: cfg.SystemHardening.ErrorRecovery.MaxAttempts, MaxDeliveries: hooks.MaxAttempts, Log: s.log,
	})
	s.jobExists = a.jobs.Exists
	a.batches = batches.New(cfg.Jobs.Batches, batches.Dependencies{
		Database: a.database, Library: a.library, Jobs: a.jobs, Sender: webhook.New(hooks), Encode: apijobs.BatchBody,
		ClaimTimeout: cfg.Jobs.Work.ClaimTimeout, MaxDeliveries: hooks.MaxAttempts, Log: s.log,
	})
	a.upgrade = &upgrade{database: a.database, dir: dir, log: s.log, steps: []step{
		{"list the recordings of their owners", a.library.Adopt},
		{"rewrite the records", a.database.Upgrade},
	}}
	watchJobs(s.metrics, a.jobs, a.library)
	watchLosses(s.metrics, a.database)
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
	for _, fault := range []string{a.database.Problem(), lossText(a.database.Losses()), a.damage()} {
		if fault != "" {
			ok, detail = false, detail+"; "+fault
		}
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
