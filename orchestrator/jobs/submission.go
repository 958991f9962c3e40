package jobs

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
)

// Errors of requests that cannot be fulfilled. They are wrapped in faults or errors of
// this package, and the api maps them to statuses.
var (
	// ErrKeyReused is returned if the idempotency key was used with another request.
	ErrKeyReused = services.ErrKeyReused
	// ErrNotFinished is returned if the job has no result yet.
	ErrNotFinished = errors.New("the job is not finished")
	// ErrNoResult is returned if the job ended without a result.
	ErrNoResult = errors.New("the job ended without a result")
	// ErrInBatch is returned for a change that only the job's batch can make.
	ErrInBatch = errors.New("the job is part of a batch")
	// ErrNotRetriable is returned for a retry: only a failed or cancelled job can be retried.
	ErrNotRetriable = errors.New("the job cannot be retried")
)

// Submission is a request for a job.
type Submission struct {
	Owner    string
	SeesAll  bool   // as in Job
	Admin    bool   // as in Job
	Service  string // empty: the one that has the model; requires Task
	Task     string // empty: the service's first task
	Params   json.RawMessage
	Priority services.Priority
	Deadline time.Time
	Labels   map[string]string
	Callback string
	// Title for lists; empty for one that is taken from the parameters or the recording.
	Title string
	// IdempotencyKey makes a repeated request return the first one's job; empty for
	// none.
	IdempotencyKey string
	// AudioID names a stored recording; Upload is one sent with the request, which the
	// caller must discard. At most one of them is set.
	AudioID string
	Upload  *library.Incoming
	// Batch and Item are as in Job. The job of an item exists once: a repeated submission
	// returns it.
	Batch string
	Item  int
}

// caller returns on whose behalf the recording is used.
func (s Submission) caller() services.Caller {
	return services.Caller{Key: s.Owner, All: s.SeesAll, Admin: s.Admin}
}

// Filter selects jobs of a list. Zero fields select everything.
type Filter struct {
	Owner    string
	Statuses []Status
	Service  string
	Labels   map[string]string
	// Batch selects the jobs of a batch.
	Batch string
	// CreatedFrom is inclusive, CreatedTo exclusive.
	CreatedFrom, CreatedTo time.Time
	// WithParams adds the params to the jobs of the page.
	WithParams bool
	// Limit of the page; Cursor as the page before returned it.
	Limit  int
	Cursor string
}

// Page of a list, the newest job first. Its jobs lack result values, and params unless they
// were asked for.
type Page struct {
	Jobs []Job
	// Counts are the numbers of all jobs of the owner, by status, whatever the filter.
	Counts map[Status]int
	// Next is the cursor of the next page, empty on the last one.
	Next string
}
