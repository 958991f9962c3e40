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

// maxWait bounds the wait that Prefer asks for.
const maxWait = 300 * time.Second

// preferredWait reads the preference wait of RFC 7240, the first where there are
// several; 0 where there is none. Other preferences are not ours.
func preferredWait(header string) (time.Duration, *services.Fault) {
	for _, preference := range strings.Split(header, ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, text, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(text), `"`), 10, 31)
		if err != nil {
			return 0, services.Invalidf("Prefer", "must ask for a whole number of seconds, as wait=30, got %.40q", strings.TrimSpace(preference))
		}
		return min(time.Duration(seconds)*time.Second, maxWait), nil
	}
	return 0, nil
}

// await gives the job at its end, or as it was last seen when the time is over,
// the client gone or the server about to stop. The job is accepted, so nothing
// here is an error to the client.
func (h *Handlers) await(ctx context.Context, job jobs.Job, wait time.Duration) jobs.Job {
	if wait <= 0 || job.Status.Terminal() {
		return job
	}
	ctx, cancel := web.UntilDrain(ctx)
	defer cancel()
	bounded, stop := context.WithTimeout(ctx, wait)
	defer stop()
	err := h.Jobs.Follow(bounded, web.ViewerOf(ctx), job.ID, job.Revision, func(changed jobs.Job) error {
		changed.Params = job.Params // which are not told again
		job = changed
		return nil
	})
	if err != nil && bounded.Err() == nil && !errors.Is(err, jobs.ErrStopping) {
		h.Log.Warn("a job could not be waited for", "job", job.ID, "error", err)
	}
	return job
}
