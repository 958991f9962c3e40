package jobs

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// MaxParams bounds the parameters, which stand in the record.
const MaxParams = 256 * services.KiB

// Submit accepts a job: once it returns, the job survives the process. The recording is
// saved first and the record written last, together with the idempotency key, so a
// crash leaves at most a recording that expires. existed reports whether the key's
// earlier job was found.
func (m *Manager) Submit(ctx context.Context, s Submission) (job Job, existed bool, err error) {
	job, existed, err = m.submit(ctx, s)
	return job, existed, m.orFull(err)
}

// orFull is records.OrFull for a record.
func (m *Manager) orFull(err error) error {
	return records.OrFull(m.store, err, 0)
}

func (m *Manager) submit(ctx context.Context, s Submission) (job Job, existed bool, err error) {
	job, err = m.draft(s)
	if err != nil {
		return Job{}, false, err
	}
	input, gone := m.input(ctx, s)
	if gone != nil && (s.AudioID == "" || services.KindOf(gone) != services.KindInvalid) {
		return Job{}, false, gone
	}
	job.AudioID, job.AudioBytes = cmp.Or(input.id, s.AudioID), input.bytes
	job.Title = cmp.Or(s.Title, titleOf(job), input.name)
	job.Fingerprint = fingerprint(job, s.Title)
	if id := s.fixedID(); id != "" {
		job.ID = id
		if before, err := m.load(ctx, job.ID); err == nil {
			return repeated(before, job)
		} else if services.KindOf(err) != services.KindNotFound {
			return Job{}, false, err
		}
	}
	// A repetition may arrive after the deadline, and after the recording has expired.
	if gone != nil {
		return Job{}, false, gone
	}
	if m.overdue(job) {
		return Job{}, false, services.Invalidf("deadline", "must be in the future, got %s", job.Deadline.Format(time.RFC3339))
	}
	if err := m.bind(&job); err != nil {
		return Job{}, false, err
	}
	// Until the record is written, only these holds protect the recordings.
	for _, id := range job.Recordings {
		defer m.Library.Hold(s.Owner, id)()
	}
	if err := m.check(ctx, job, input.source); err != nil {
		return Job{}, false, err
	}
	if job.Params, err = m.pin(ctx, job); err != nil {
		return Job{}, false, err
	}
	if input.id != "" {
		defer m.Library.Hold(s.Owner, input.id)()
	}
	if err := m.save(ctx, s, input); err != nil {
		return Job{}, false, err
	}
	created, err := m.create(ctx, job)
	if errors.Is(err, records.ErrExists) {
		before, err := m.load(ctx, job.ID)
		if err != nil {
			return Job{}, false, err
		}
		return repeated(before, job)
	}
	return created, false, err
}

// input is the recording of a submission.
type input struct {
	id     string
	bytes  int64
	name   string
	source services.AudioSource
}

// input finds the recording of a submission; nothing is saved yet.
func (m *Manager) input(ctx context.Context, s Submission) (input, error) {
	switch {
	case s.Upload != nil && s.AudioID != "":
		return input{}, services.Invalidf("audio_id", "cannot be combined with an uploaded recording")
	case s.Upload != nil:
		return input{id: s.Upload.ID, bytes: s.Upload.Size(), name: library.CleanName(s.Upload.Name), source: s.Upload.Source(ctx)}, nil
	case s.AudioID == "":
		return input{}, nil
	}
	recording, source, err := m.Library.SourceFor(ctx, s.caller(), s.AudioID)
	if services.KindOf(err) == services.KindNotFound {
		return input{}, services.Invalidf("audio_id", "names no stored recording, got %q", s.AudioID)
	}
	if err != nil {
		return input{}, err
	}
	return input{recording.ID, recording.Bytes, recording.Name, source}, nil
}

// save adds the recording of a submission to the library, or records its use.
func (m *Manager) save(ctx context.Context, s Submission, in input) error {
	switch {
	case s.Upload != nil:
		_, _, err := m.Library.Save(ctx, s.Upload, s.Owner)
		return err
	case in.id == "":
		return nil
	}
	err := m.Library.Use(ctx, s.caller(), in.id)
	if services.KindOf(err) == services.KindNotFound {
		return services.Invalidf("audio_id", "names no stored recording, got %q", s.AudioID)
	}
	return err
}

// draft returns the record of a submission without its recording. Service and model are
// the requested ones, which the fingerprint covers.
func (m *Manager) draft(s Submission) (Job, error) {
	if err := m.checkTask(&s); err != nil {
		return Job{}, err
	}
	if len(s.Params) > int(MaxParams) {
		return Job{}, services.Invalidf("params", "must be at most %s of JSON, got %s", MaxParams, services.Bytes(len(s.Params)))
	}
	params, model, err := splitModel(s.Params)
	if err != nil {
		return Job{}, err
	}
	now := time.Now().UTC()
	job := Job{
		ID: "job-" + strings.ToLower(rand.Text()), Owner: s.Owner, SeesAll: s.SeesAll, Admin: s.Admin, Service: s.Service, Task: s.Task,
		Recordings: recordingsIn(params),
		Model:      model, Params: params, Priority: s.Priority, Deadline: s.Deadline, Labels: s.Labels, Status: StatusQueued, Created: now,
		Batch: s.Batch, Item: s.Item,
	}
	if s.Callback != "" {
		if err := m.Sender.CheckURL(s.Callback); err != nil {
			return Job{}, err
		}
		job.Callback = &Callback{URL: s.Callback, State: CallbackWaiting}
	}
	return job, nil
}

// checkTask returns a fault if the service does not have the task, and sets its first
// task if none is named.
func (m *Manager) checkTask(s *Submission) error {
	if s.Service == "" && s.Task != "" {
		return nil // bind finds the service
	}
	description, err := m.Describe(s.Service)
	if err != nil {
		return err
	}
	if s.Task == "" {
		s.Task = description.Tasks[0].Name
	}
	var names []string
	for _, task := range description.Tasks {
		names = append(names, task.Name)
	}
	if !slices.Contains(names, s.Task) {
		return services.Invalidf("task", "must be %s for service %s, got %q", strings.Join(names, " or "), s.Service, s.Task)
	}
	return nil
}

// bind sets the service of a job that names none and replaces an alias by its model, so
// that later changes of the settings do not affect the job.
func (m *Manager) bind(job *Job) error {
	bound, err := m.Bind(services.Task{Service: job.Service, Name: job.Task, Model: job.Model})
	if err == nil {
		job.Service, job.Model = bound.Service, bound.Model
	}
	return err
}

// splitModel removes the model from the parameters, where services do not expect it.
func splitModel(raw json.RawMessage) (json.RawMessage, string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, "", nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, "", services.Invalidf("params", "must be a JSON object: %v", err)
	}
	var model string
	if named, ok := fields["model"]; ok {
		if err := json.Unmarshal(named, &model); err != nil {
			return nil, "", services.Invalidf("params.model", "must be a string, got %s", named)
		}
		delete(fields, "model")
	}
	rest, err := json.Marshal(fields)
	if err != nil {
		return nil, "", services.Internal(err, "the parameters could not be encoded")
	}
	return rest, model, nil
}

// check returns a fault if the job is certain to fail. Temporary problems, such as an
// unavailable service, are left to the job's run.
func (m *Manager) check(ctx context.Context, job Job, audio services.AudioSource) error {
	err := m.Executor.Check(ctx, job.taskFor(audio))
	switch services.KindOf(err) {
	case services.KindInvalid, services.KindUnsupported, services.KindNotFound, services.KindTooLarge, services.KindCancelled:
		return err
	default:
		return nil
	}
}

// pin returns the parameters of a job with what they name as it is now.
func (m *Manager) pin(ctx context.Context, job Job) (json.RawMessage, error) {
	if m.Pin == nil {
		return job.Params, nil
	}
	return m.Pin(ctx, job.taskFor(nil))
}

// taskFor returns the task of the job.
func (j Job) taskFor(audio services.AudioSource) services.Task {
	return services.Task{
		ID: j.ID, Job: j.ID, Service: j.Service, Name: j.Task, Model: j.Model, Params: j.Params, Audio: audio,
		Priority: j.Priority, Deadline: j.Deadline, Caller: services.Caller{Key: j.Owner, All: j.SeesAll, Admin: j.Admin},
	}
}

// create writes the first record of a job.
func (m *Manager) create(ctx context.Context, job Job) (Job, error) {
	if err := m.admit(job.Owner); err != nil {
		return Job{}, err
	}
	if err := m.store.Room(records.LeastRoom); err != nil {
		return Job{}, err
	}
	return m.all.Create(ctx, job)
}

// keyedID derives a job's id from an idempotency key, so that the job's own
// record is what makes the key unique.
func keyedID(owner, key string) string {
	sum := sha256.Sum256([]byte(owner + "\x00" + key))
	return "job-" + hex.EncodeToString(sum[:16])
}

// ItemID returns the id of the job of a batch's item.
func ItemID(batch string, item int) string { return keyedID(batch, strconv.Itoa(item)) }

// fixedID returns the id of a job that must exist once, or "".
func (s Submission) fixedID() string {
	switch {
	case s.Batch != "":
		return ItemID(s.Batch, s.Item)
	case s.IdempotencyKey != "":
		return keyedID(s.Owner, s.IdempotencyKey)
	}
	return ""
}

// fingerprint returns a hash of what a request asks for; title is the requested one.
func fingerprint(job Job, title string) string {
	request := struct {
		Service, Task, Model string
		Params               json.RawMessage
		Priority             services.Priority
		Deadline             time.Time
		Labels               map[string]string
		AudioID              string
		Callback             string
		Title                string `json:",omitempty"`
	}{job.Service, job.Task, job.Model, job.Params, job.Priority, job.Deadline, job.Labels, job.AudioID, "", title}
	if job.Callback != nil {
		request.Callback = job.Callback.URL
	}
	raw, err := json.Marshal(request) // maps are written in the order of their keys
	if err != nil {
		return fmt.Sprintf("unreadable %v", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// repeated answers a repeated request under an idempotency key.
func repeated(before, again Job) (Job, bool, error) {
	if before.Batch == "" && before.Fingerprint != again.Fingerprint {
		return Job{}, false, fmt.Errorf("job %s: %w", before.ID, ErrKeyReused)
	}
	return before, true, nil
}
