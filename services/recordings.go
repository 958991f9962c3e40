package services

import "context"

// Recordings finds stored recordings, for tasks whose parameters name some in fields
// called audio_id. Safe for concurrent use.
type Recordings interface {
	// StoredAudio returns a recording that the caller may see, which stays available until
	// release is called. ctx bounds its use. It returns a KindNotFound fault if there is
	// none.
	StoredAudio(ctx context.Context, caller Caller, id string) (source AudioSource, release func(), err error)
}
