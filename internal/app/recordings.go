package app

import (
	"context"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
)

// recordings is the library as services use it.
type recordings struct{ *library.Library }

// StoreAudio implements services.Recordings.
func (r recordings) StoreAudio(ctx context.Context, owner, name string, source services.AudioSource) (string, error) {
	file, err := source.Open()
	if err != nil {
		return "", services.Unreadable(err)
	}
	defer file.Close()
	in, err := r.Receive(ctx, file, library.About{Owner: owner, Name: name, Bytes: source.Size()})
	if err != nil {
		return "", err
	}
	in.ContentType = library.SniffType(in.Head())
	saved, _, err := r.Save(ctx, in, owner)
	return saved.ID, err
}

// OnNeeds implements services.Recordings.
func (r recordings) OnNeeds(provider func(need func(owner, id, by string))) {
	r.Library.OnNeeds(func(need library.Need) { provider(need) })
}

var _ services.Recordings = recordings{}
