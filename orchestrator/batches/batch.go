package batches

import (
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Errors of requests that cannot be fulfilled.
var (
	// ErrKeyReused is returned if the idempotency key was used with another request.
	ErrKeyReused = services.ErrKeyReused
	// ErrNotFinished is returned for a retry or a deletion of a batch that has not ended.
	ErrNotFinished = errors.New("the batch is not finished")
)

// Status of a batch.
type Status string

// The statuses. The last three are terminal: only a client's retry leaves them.
const (
	StatusRunning   Status = "running"
	StatusSucceeded Status = "succeeded"
	StatusFailed    Status = "failed"
	StatusCancelled Status = "cancelled"
)

// Statuses lists every Status.
func Statuses() []Status {
	return []Status{StatusRunning, StatusSucceeded, StatusFailed, StatusCancelled}
}

// Terminal reports whether a batch with this status has ended.
func (s Status) Terminal() bool { return s != StatusRunning }

// Item is one input of a batch. What it lacks is that of the batch.
type Item struct {
	// Name of the client's choice, such as the file's.
	Name    string `json:"name,omitempty"`
	Service string `json:"service,omitempty"`
	Task    string `json:"task,omitempty"`
	// Params are the task's parameters, which override those of the batch one by one.
	Params  json.RawMessage   `json:"params,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	AudioID string            `json:"audio_id,omitempty"`
}

// with returns an item with what it lacks from the batch's.
func (i Item) with(shared Item) (Item, error) {
	if i.Service == "" && i.Task == "" {
		i.Service, i.Task = shared.Service, shared.Task
	}
	if len(shared.Labels) > 0 {
		labels := maps.Clone(shared.Labels)
		maps.Copy(labels, i.Labels)
		i.Labels = labels
	}
	if len(i.Params) == 0 || len(shared.Params) == 0 {
		if len(i.Params) == 0 {
			i.Params = shared.Params
		}
		return i, nil
	}
	var params map[string]json.RawMessage
	for _, raw := range []json.RawMessage{shared.Params, i.Params} {
		if err := json.Unmarshal(raw, &params); err != nil {
			return i, services.Invalidf("params", "must be a JSON object: %v", err)
		}
	}
	var err error
	i.Params, err = json.Marshal(params)
	return i, err
}

// Segment is an object with lines of JSON: one for each of some items.
type Segment struct {
	Object string `json:"object"`
	Items  int    `json:"items"`
	Bytes  int64  `json:"bytes"`
}

// Claim is a process's right to turn items into jobs and to note their outcomes.
type Claim struct {
	Worker string    `json:"worker"`
	Token  string    `json:"token"`
	Since  time.Time `json:"since"`
}

// Batch is the record of a batch. Its items and their outcomes lie in segments, except for
// those of items whose jobs have records of their own.
type Batch struct {
	ID    string `json:"id,omitempty"`
	Owner string `json:"owner,omitempty"`
	// SeesAll is set for a batch of an administrator, as in jobs.Job.
	SeesAll bool   `json:"sees_all,omitempty"`
	Title   string `json:"title,omitempty"`
	// Shared has what the items have in common.
	Shared   Item              `json:"shared"`
	Priority services.Priority `json:"priority"`
	Callback *jobs.Callback    `json:"callback,omitempty"`
	// Fingerprint of the request, as in jobs.Job.
	Fingerprint string `json:"fingerprint,omitempty"`

	// Items is their number. Inputs has them in order, Outputs the outcomes in the order in
	// which they were noted; of an item with several the last one counts.
	Items   int       `json:"items"`
	Inputs  []Segment `json:"inputs"`
	Outputs []Segment `json:"outputs,omitempty"`
	// States of the items whose outcomes are in Outputs, or that were cancelled without one.
	States States `json:"states"`
	// Sounds is how many sounds the outcomes name.
	Sounds int `json:"sounds,omitempty"`

	Status          Status    `json:"status"`
	CancelRequested bool      `json:"cancel_requested,omitempty"`
	Created         time.Time `json:"created,omitzero"`
	Finished        time.Time `json:"finished,omitzero"`
	// Retried is when the batch was last retried: an end of a job before that does not
	// count, and one with success only if RetriedAll is not set.
	Retried    time.Time `json:"retried,omitzero"`
	RetriedAll bool      `json:"retried_all,omitempty"`
	Claim      *Claim    `json:"claim,omitempty"`

	Revision records.Revision `json:"-"`
}

// kind is the kind of the records.
const kind = "batch"

// record describes the records of batches.
var record = records.Kind[Batch]{
	Name: kind,
	Meta: func(b Batch) records.Meta {
		return records.Meta{ID: b.ID, Owner: b.Owner, Created: b.Created, Revision: b.Revision}
	},
	With: func(b Batch, m records.Meta) Batch {
		b.ID, b.Owner, b.Created, b.Revision = m.ID, m.Owner, m.Created, m.Revision
		return b
	},
	Final:   func(b Batch) bool { return b.Status.Terminal() },
	Objects: Batch.objects,
}

// objects returns the names of the batch's objects.
func (b Batch) objects() []string {
	var names []string
	for _, list := range [][]Segment{b.Inputs, b.Outputs} {
		for _, one := range list {
			names = append(names, one.Object)
		}
	}
	return names
}

// bytes returns the size of the batch's objects.
func (b Batch) bytes() (sum int64) {
	for _, list := range [][]Segment{b.Inputs, b.Outputs} {
		for _, one := range list {
			sum += one.Bytes
		}
	}
	return sum
}

// isStale reports whether the end of a job was before the retry of its item.
func (b Batch) isStale(job *jobs.Job) bool {
	return job.Status.Terminal() && job.Finished.Before(b.Retried) && (b.RetriedAll || job.Status != jobs.StatusSucceeded)
}

// conclude ends a batch whose items have all ended.
func (b *Batch) conclude() {
	counts := b.States.counts()
	switch {
	case b.CancelRequested && counts[stateCancelled] > 0:
		b.Status = StatusCancelled
	case counts[stateFailed] > 0:
		b.Status = StatusFailed
	case counts[stateCancelled] > 0:
		b.Status = StatusCancelled
	default:
		b.Status = StatusSucceeded
	}
	b.Finished, b.Claim, b.CancelRequested = time.Now().UTC(), nil, false
	if b.Callback != nil {
		b.Callback.End()
	}
}

// State is where an item has ended.
type state byte

const (
	stateOpen state = iota
	stateSucceeded
	stateFailed
	stateCancelled
)

// stateOf returns the state of an item by the end of its job.
func stateOf(status jobs.Status) state {
	switch status {
	case jobs.StatusSucceeded:
		return stateSucceeded
	case jobs.StatusFailed:
		return stateFailed
	case jobs.StatusCancelled:
		return stateCancelled
	default:
		return stateOpen
	}
}

// status returns the status of an item that has ended.
func (s state) status() jobs.Status {
	return [...]jobs.Status{"", jobs.StatusSucceeded, jobs.StatusFailed, jobs.StatusCancelled}[s]
}

// States are the states of a batch's items, of two bits each.
type States []byte

func newStates(items int) States { return make(States, (items+3)/4) }

func (s States) at(item int) state { return state(s[item/4] >> (item % 4 * 2) & 3) }

func (s States) set(item int, to state) {
	shift := item % 4 * 2
	s[item/4] = s[item/4]&^(3<<shift) | byte(to)<<shift
}

// counts returns the numbers of items by their state. The unused bits of the last byte count
// as open ones.
func (s States) counts() (n [4]int) {
	for _, b := range s {
		n[b&3]++
		n[b>>2&3]++
		n[b>>4&3]++
		n[b>>6&3]++
	}
	return n
}
