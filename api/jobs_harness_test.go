package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	apijobs "github.com/grym-synth/grym-synth/api/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// scriptedJobs is a Jobs made of functions; calling a missing one panics.
type scriptedJobs struct {
	apijobs.Jobs
	submit func(s jobs.Submission) (jobs.Job, bool, error)
	get    func(viewer, id string) (jobs.Job, error)
	list   func(f jobs.Filter) (jobs.Page, error)
	cancel func(viewer, id string) (jobs.Job, error)
	retry  func(viewer, id string) (jobs.Job, error)
	forget func(viewer, id string) error
	follow func(ctx context.Context, after jobs.Revision, changed func(jobs.Job) error) error
	result func() (json.RawMessage, error)
	queue  map[string]jobs.Queue // by owner
	// recordings receives uploads; everything else is scripted.
	recordings *library.Library
	store      func(in *library.Incoming) (library.Recording, bool, error)
	open       func(id string) (io.ReadSeekCloser, library.Recording, error)
	feed       func(ctx context.Context, f jobs.Filter, after jobs.Revision, changed func([]jobs.Job, jobs.Revision) error) error
	page       func(caller services.Caller, limit int, cursor string) (records.Page[library.Recording], error)
	// describe replaces the description if a test distinguishes it from opening.
	describe func(id string) (library.Recording, error)
	remove   func(id string) error
}

func (s *scriptedJobs) Submit(_ context.Context, submission jobs.Submission) (jobs.Job, bool, error) {
	return s.submit(submission)
}

func (s *scriptedJobs) Get(_ context.Context, viewer, id string) (jobs.Job, error) {
	return s.get(viewer, id)
}

func (s *scriptedJobs) List(_ context.Context, f jobs.Filter) (jobs.Page, error) { return s.list(f) }

func (s *scriptedJobs) Queue(owner string) jobs.Queue { return s.queue[owner] }

func (s *scriptedJobs) Cancel(_ context.Context, viewer, id string) (jobs.Job, error) {
	return s.cancel(viewer, id)
}

func (s *scriptedJobs) Retry(_ context.Context, viewer, id string) (jobs.Job, error) {
	return s.retry(viewer, id)
}

func (s *scriptedJobs) Remove(_ context.Context, viewer, id string) error {
	return s.forget(viewer, id)
}

func (s *scriptedJobs) Follow(ctx context.Context, _, _ string, after jobs.Revision, changed func(jobs.Job) error) error {
	return s.follow(ctx, after, changed)
}

func (s *scriptedJobs) Feed(ctx context.Context, f jobs.Filter, after jobs.Revision, changed func([]jobs.Job, jobs.Revision) error) error {
	return s.feed(ctx, f, after, changed)
}

func (s *scriptedJobs) Result(context.Context, string, string) (jobs.Job, json.RawMessage, error) {
	value, err := s.result()
	return jobs.Job{}, value, err
}

func (s *scriptedJobs) Receive(ctx context.Context, r io.Reader, about library.About) (*library.Incoming, error) {
	return s.recordings.Receive(ctx, r, about)
}

func (s *scriptedJobs) Save(_ context.Context, in *library.Incoming, _ string) (library.Recording, bool, error) {
	return s.store(in)
}

func (s *scriptedJobs) Open(_ context.Context, _ services.Caller, id string) (io.ReadSeekCloser, library.Recording, error) {
	return s.open(id)
}

func (s *scriptedJobs) Describe(_ context.Context, _ services.Caller, id string) (library.Recording, error) {
	if s.describe == nil {
		_, audio, err := s.open(id)
		return audio, err
	}
	return s.describe(id)
}

func (s *scriptedJobs) Delete(_ context.Context, _ services.Caller, id string) error {
	return s.remove(id)
}

// scriptedRecordings has its own List, because Jobs has one too.
type scriptedRecordings struct{ *scriptedJobs }

func (s scriptedRecordings) List(
	_ context.Context, caller services.Caller, limit int, cursor string,
) (records.Page[library.Recording], error) {
	return s.page(caller, limit, cursor)
}

// memoryLibrary is a library over a store in memory.
func memoryLibrary(change ...func(*library.Config)) *library.Library {
	cfg := library.DefaultConfig()
	for _, apply := range change {
		apply(&cfg)
	}
	log := slog.New(slog.DiscardHandler)
	return library.New(cfg, records.NewDatabase(recordstest.NewMemory(), log), log)
}

func setupJobs(t *testing.T, script *scriptedJobs, change ...func(*Config, *Dependencies)) *bundle {
	t.Helper()
	if script.recordings == nil {
		script.recordings = memoryLibrary()
	}
	return setup(t, says("unused"), append(change, func(_ *Config, d *Dependencies) {
		d.Jobs, d.Recordings = script,
			scriptedRecordings{script}
	})...)
}

// queued is a job just submitted.
func queued(id string) jobs.Job {
	return jobs.Job{ID: id, Service: "wav2vec2", Task: "transcribe", Status: jobs.StatusQueued, Created: time.Date(2026, 11, 24, 9, 0, 0, 0,
		time.UTC), Revision: 1}
}

func in(job jobs.Job, status jobs.Status) jobs.Job {
	job.Status = status
	return job
}

// call sends a request with header fields in pairs.
func (b *bundle) call(t *testing.T, method, path, body string, header ...string) (*answer, string) {
	t.Helper()
	request := b.request(t, method, path, strings.NewReader(body))
	if body == "" {
		request = b.request(t, method, path, nil)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	return b.do(t, request)
}

// form is a body as curl -F sends it, the parts in the order given; a part called
// audio or file is a file, all others have no content type.
func form(parts ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(parts); i += 2 {
		b.WriteString("--b\r\nContent-Disposition: form-data; name=\"" + parts[i] + "\"")
		if parts[i] == "audio" || parts[i] == "file" {
			b.WriteString("; filename=\"x.bin\"\r\nContent-Type: application/octet-stream")
		}
		b.WriteString("\r\n\r\n" + parts[i+1] + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

const (
	formType = "multipart/form-data; boundary=b"
	jsonType = "application/json"
)

var hash = strings.Repeat("0123456789abcdef", 4)
