package jobs

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// maxWait limits the wait that Prefer requests.
const maxWait = 300 * time.Second

// preferredWait returns the wait preference of RFC 7240, the first if there are several, or
// 0. Other preferences are ignored.
func preferredWait(header string) (time.Duration, *services.Fault) {
	for _, preference := range strings.Split(header, ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, text, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(text), `"`), 10, 31)
		if err != nil {
			return 0, services.Invalidf("Prefer", "must have a whole number of seconds as wait, such as wait=30, got %.40q",
				strings.TrimSpace(preference))
		}
		return min(time.Duration(seconds)*time.Second, maxWait), nil
	}
	return 0, nil
}

// await returns the job when it has ended, or its latest state when the time is over, the
// client has left or the server stops. Errors are only logged, because the job has been
// accepted.
func (h *Handlers) await(ctx context.Context, job jobs.Job, wait time.Duration) jobs.Job {
	if wait <= 0 || job.Status.Terminal() {
		return job
	}
	ctx, cancel := web.UntilDrain(ctx)
	defer cancel()
	bounded, stop := context.WithTimeout(ctx, wait)
	defer stop()
	err := h.Jobs.Follow(bounded, web.ViewerOf(ctx), job.ID, job.Revision, func(changed jobs.Job) error {
		changed.Params = job.Params // changes omit them
		job = changed
		return nil
	})
	if err != nil && bounded.Err() == nil && !errors.Is(err, jobs.ErrStopping) {
		h.Log.Warn("a job could not be waited for", "job", job.ID, "error", err)
	}
	return job
}
