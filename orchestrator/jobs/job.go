package jobs

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Status of a job.
type Status string

// The statuses. The last three are terminal: only a client's retry leaves them.
const (
	StatusQueued    Status = "queued"
	StatusRunning   Status = "running"
	StatusSucceeded Status = "succeeded"
	StatusFailed    Status = "failed"
	StatusCancelled Status = "cancelled"
)

// Statuses lists every Status, in the order of a job's life.
func Statuses() []Status {
	return []Status{StatusQueued, StatusRunning, StatusSucceeded, StatusFailed, StatusCancelled}
}

// Terminal reports whether a job with this status has ended.
func (s Status) Terminal() bool {
	return s == StatusSucceeded || s == StatusFailed || s == StatusCancelled
}

// Revision orders the states of a job: a later one is larger.
type Revision = records.Revision

// Job is the record of one job: its request, its place in the queue, its claim and its
// end in one value, so that a crash cannot separate them. The store replaces it as a
// whole, by compare-and-set on the revision.
type Job struct {
	ID string `json:"id,omitempty"`
	// Owner is the id of the API key that submitted it; empty if no keys are required.
	Owner string `json:"owner,omitempty"`
	// SeesAll is set for a job of an administrator, which may use the records of every
	// owner, as the administrator's own requests do.
	SeesAll bool `json:"sees_all,omitempty"`
	// Admin is that of the caller.
	Admin    bool              `json:"admin,omitempty"`
	Service  string            `json:"service"`
	Task     string            `json:"task"`
	Model    string            `json:"model,omitempty"`
	Params   json.RawMessage   `json:"params,omitempty"`
	Title    string            `json:"title,omitempty"`
	Priority services.Priority `json:"priority"`
	// Deadline is the time by which the job must be done; zero means none.
	Deadline time.Time         `json:"deadline,omitzero"`
	Labels   map[string]string `json:"labels,omitempty"`
	// AudioID names the stored input, AudioBytes is its size.
	AudioID    string `json:"audio_id,omitempty"`
	AudioBytes int64  `json:"audio_bytes,omitempty"`
	// Recordings are further stored recordings, which the parameters name.
	Recordings []string `json:"recordings,omitempty"`
	// Batch names the batch that the job is an item of, and Item is its place there, from 0.
	Batch string `json:"batch,omitempty"`
	Item  int    `json:"item,omitempty"`
	// Fingerprint of the request, which distinguishes a repetition under the same
	// idempotency key from another request.
	Fingerprint string `json:"fingerprint,omitempty"`

	Status  Status    `json:"status"`
	Created time.Time `json:"created,omitzero"`
	// NotBefore keeps a job in the queue after a failed attempt.
	NotBefore time.Time `json:"not_before,omitzero"`
	Started   time.Time `json:"started,omitzero"`
	Finished  time.Time `json:"finished,omitzero"`
	// Progress of the current attempt, 0 to 1; Stage is its current stage.
	Progress float64 `json:"progress"`
	Stage    string  `json:"stage,omitempty"`
	// Steps are the states of the task's steps, of a task that has some.
	Steps []services.StepProgress `json:"steps,omitempty"`
	// SecondsLeft is an estimate from measured speed; zero if unknown.
	SecondsLeft float64 `json:"seconds_left,omitempty"`
	// CancelRequested asks the worker to stop.
	CancelRequested bool   `json:"cancel_requested,omitempty"`
	Claim           *Claim `json:"claim,omitempty"`
	// Attempts are the started attempts, the latest last; Tries is how many of them
	// count against the limit since the submission or the latest retry.
	Attempts []Attempt `json:"attempts,omitempty"`
	Tries    int       `json:"tries,omitempty"`
	// Redeliveries counts attempts that ended with their process.
	Redeliveries int       `json:"redeliveries,omitempty"`
	Failure      *Failure  `json:"failure,omitempty"`
	Result       *Result   `json:"result,omitempty"`
	Callback     *Callback `json:"callback,omitempty"`
	// Lost is true if the store lost the record, so that the request is not known.
	Lost bool `json:"lost,omitempty"`

	// Revision of the record as read; it is not stored in the record.
	Revision Revision `json:"-"`
}

// detached returns a copy that can be changed while others read the original.
func (j Job) detached() Job {
	j.Attempts = slices.Clone(j.Attempts)
	if j.Callback != nil {
		callback := *j.Callback
		callback.Deliveries = slices.Clone(callback.Deliveries)
		j.Callback = &callback
	}
	return j
}

// Claim is a worker's right to run a job and to write its end.
type Claim struct {
	// Worker identifies the process, Token the attempt.
	Worker string    `json:"worker"`
	Token  string    `json:"token"`
	Since  time.Time `json:"since"`
}

// Attempt is one run of a job.
type Attempt struct {
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Worker  string    `json:"worker"`
	// Outcome is empty while the attempt runs; "lost" when its process ended, and
	// "interrupted" when the server was stopped.
	Outcome services.Outcome `json:"outcome,omitempty"`
	Error   string           `json:"error,omitempty"`
}

// Outcomes of attempts that were cut short.
const (
	OutcomeLost        services.Outcome = "lost"
	OutcomeInterrupted services.Outcome = "interrupted"
)

// Failure is why a job failed or was cancelled, for the client.
type Failure struct {
	Kind    services.Kind         `json:"kind"`
	Message string                `json:"message"`
	Fields  []services.FieldError `json:"fields,omitempty"`
}

// Result is the result of a succeeded job.
type Result struct {
	// Model that did the work.
	Model string `json:"model,omitempty"`
	// Value is the task's result as JSON; of a large one, ValueID names the stored
	// object that holds it.
	Value      json.RawMessage `json:"value,omitempty"`
	ValueID    string          `json:"value_id,omitempty"`
	ValueBytes int64           `json:"value_bytes,omitempty"`
	// AudioID names the sound that the task made; empty if it made none.
	AudioID     string `json:"audio_id,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	AudioBytes  int64  `json:"audio_bytes,omitempty"`
	// More are further sounds of the same task, in order.
	More []Sound `json:"more,omitempty"`
	// Warnings report what was done differently from what was asked for.
	Warnings []services.Warning `json:"warnings,omitempty"`
}

// Sound names a stored sound that a task made.
type Sound struct {
	AudioID     string `json:"audio_id"`
	ContentType string `json:"content_type"`
	AudioBytes  int64  `json:"audio_bytes"`
}

// CallbackState of a webhook.
type CallbackState string

// The states of a webhook: it waits for the job's end, then for its delivery,
// and is delivered or given up.
const (
	CallbackWaiting   CallbackState = "waiting"
	CallbackPending   CallbackState = "pending"
	CallbackDelivered CallbackState = "delivered"
	CallbackGivenUp   CallbackState = "given_up"
)

// Callback is the webhook of a job, with the log of its deliveries.
type Callback struct {
	URL        string        `json:"url"`
	State      CallbackState `json:"state"`
	Next       time.Time     `json:"next,omitzero"`
	Deliveries []Delivery    `json:"deliveries,omitempty"`
	// Earlier is how many of the deliveries were of an earlier end, before a retry.
	Earlier int `json:"earlier,omitempty"`
	// Worker is the process that delivers it until Next.
	Worker string `json:"worker,omitempty"`
}

// Delivery is one attempt to deliver a webhook.
type Delivery struct {
	At time.Time `json:"at"`
	// Status is the receiver's HTTP status, 0 without an answer.
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
}

// kind is the kind of the records.
const kind = "job"

// record describes the records of jobs. Fields that lists do not show are not held in
// memory.
var record = records.Kind[Job]{
	Name: kind,
	Meta: func(j Job) records.Meta {
		return records.Meta{ID: j.ID, Owner: j.Owner, Created: j.Created, Revision: j.Revision}
	},
	With: func(j Job, m records.Meta) Job {
		j.ID, j.Owner, j.Created, j.Revision = m.ID, m.Owner, m.Created, m.Revision
		return j
	},
	Legacy: func(_ string, raw []byte) (j Job, err error) {
		err = json.Unmarshal(raw, &j)
		return j, err
	},
	Slim: func(j Job) Job {
		j.Params, j.Fingerprint = nil, ""
		if j.Result != nil {
			light := *j.Result
			light.Value = nil
			j.Result = &light
		}
		return j
	},
	Note: note, Final: func(j Job) bool { return j.Status.Terminal() }, Restore: restore,
	Objects: func(j Job) []string {
		if j.Result == nil || j.Result.ValueID == "" {
			return nil
		}
		return []string{j.Result.ValueID}
	},
}
