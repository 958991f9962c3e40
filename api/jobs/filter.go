package jobs

import (
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// jobFilter parses the parameters of a list and returns a fault that names all invalid
// ones.
func jobFilter(params gen.ListJobsParams) (jobs.Filter, error) {
	filter := jobs.Filter{
		Service: web.Value(params.Service), Limit: web.DefaultPage, Cursor: web.Value(params.Cursor),
		CreatedFrom: web.Value(params.CreatedAfter), CreatedTo: web.Value(params.CreatedBefore),
	}
	if params.Limit != nil {
		filter.Limit = *params.Limit
	}
	var bad services.Complaints
	complain := bad.Complain
	for _, list := range web.Value(params.Status) {
		for _, name := range strings.Split(list, ",") {
			status := jobs.Status(strings.TrimSpace(name))
			if !slices.Contains(jobs.Statuses(), status) {
				complain("status", "must be a list of %s, got %.40q", joinStatuses(), name)
				continue
			}
			if !slices.Contains(filter.Statuses, status) {
				filter.Statuses = append(filter.Statuses, status)
			}
		}
	}
	for _, label := range web.Value(params.Label) {
		key, text, ok := strings.Cut(label, ":")
		if !ok || !labelKey.MatchString(key) {
			complain("label", "must be key:value, got %.80q", label)
			continue
		}
		if before, twice := filter.Labels[key]; twice && before != text {
			complain("label", "requires %s to be both %.80q and %.80q", key, before, text)
		}
		if filter.Labels == nil {
			filter.Labels = make(map[string]string)
		}
		filter.Labels[key] = text
	}
	return filter, bad.Err()
}

func joinStatuses() string {
	var names []string
	for _, status := range jobs.Statuses() {
		names = append(names, string(status))
	}
	return strings.Join(names, ", ")
}
