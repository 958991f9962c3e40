package jobs

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// ReferRecordings adds the recordings of all jobs to the lists of the jobs' owners. It
// upgrades records of version 0.1.0, which stored recordings without an owner, and can
// be repeated. It returns the number of refs.
func (m *Manager) ReferRecordings(ctx context.Context) (int, error) {
	var refs []library.Ref
	m.all.Each(func(e records.Entry[Job]) bool {
		job := e.Value
		add := func(id, contentType string, at time.Time) {
			if id != "" {
				refs = append(refs, library.Ref{Owner: job.Owner, AudioID: id, ContentType: contentType, Created: at, Used: at})
			}
		}
		add(job.AudioID, "", job.Created)
		if job.Result != nil {
			add(job.Result.AudioID, job.Result.ContentType, job.Finished)
			for _, sound := range job.Result.More {
				add(sound.AudioID, sound.ContentType, job.Finished)
			}
		}
		return true
	})
	return len(refs), m.Library.ReferAll(ctx, refs)
}
