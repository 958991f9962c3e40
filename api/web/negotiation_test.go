package web

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzNegotiate(f *testing.F) {
	for _, seed := range []string{"", "*/*", "text/*;q=0.5, audio/wav", `text/plain;q="0.1";x=","`, ";,;q=,", "*/*;q=NaN", "a/b;q=1e9"} {
		f.Add(seed)
	}
	offers := []string{"application/json", "text/plain; charset=utf-8", "audio/wav"}
	f.Fuzz(func(t *testing.T, accept string) {
		i := Negotiate([]string{accept}, offers)
		require.True(t, i >= -1 && i < len(offers))
		for _, r := range mediaRanges(accept) {
			require.True(t, r.quality >= 0 && r.quality <= 1, "%v", r)
		}
	})
}
