package jobs

import (
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// uses reports the recordings that jobs read and made, with the jobs' owners: version 0.1.0
// stored recordings without an owner.
func (m *Manager) uses(found func(library.Ref)) {
	m.all.Each(func(e records.Entry[Job]) bool {
		job := e.Value
		add := func(id, contentType string, at time.Time) {
			if id != "" {
				found(library.Ref{Owner: job.Owner, AudioID: id, ContentType: contentType, Created: at})
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
}
