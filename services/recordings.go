package services

import "context"

// RecordingFinder finds stored recordings, for tasks whose parameters name some in fields
// called audio_id. Safe for concurrent use.
type RecordingFinder interface {
	// StoredAudio returns a recording that the caller may see, which stays available until
	// release is called. ctx bounds its use. It returns a KindNotFound fault if there is
	// none.
	StoredAudio(ctx context.Context, caller Caller, id string) (source AudioSource, release func(), err error)
}

// Recordings stores the recordings that services' own records refer to. Safe for concurrent
// use.
type Recordings interface {
	RecordingFinder
	// StoreAudio stores a recording for an owner and returns its id. The same content is
	// stored once.
	StoreAudio(ctx context.Context, owner, name string, source AudioSource) (id string, err error)
	// OnNeeds registers a provider before the start, which calls its argument for every
	// recording that it needs: by names what needs it, so that its owner cannot delete it.
	OnNeeds(provider func(need func(owner, id, by string)))
}
