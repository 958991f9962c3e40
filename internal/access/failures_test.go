package access

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBadKeysOfAnAddressAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := NewFailures(3)
		for i := range 3 {
			_, refused := f.Failed(fmt.Sprintf("192.0.2.1:%d", i))
			require.False(t, refused)
		}
		wait, refused := f.Failed("192.0.2.1:7")
		require.True(t, refused)
		require.InDelta(t, 20, wait.Seconds(), 0.01, "three a minute")
		_, refused = f.Failed("192.0.2.1")
		require.True(t, refused, "the same address without a port")
		_, refused = f.Failed("192.0.2.2:7")
		require.False(t, refused, "another address")
		time.Sleep(21 * time.Second)
		_, refused = f.Failed("192.0.2.1:7")
		require.False(t, refused, "what was refused does not count")
		_, refused = NewFailures(0).Failed("192.0.2.1:7")
		require.False(t, refused, "0 is no limit")
	})
}

func TestAnIPv6NetworkIsOneAddress(t *testing.T) {
	t.Parallel()
	require.Equal(t, network("[2001:db8::1]:80"), network("[2001:db8::2:3]:81"))
	require.Equal(t, network("[2001:db8::1]:80"), network("2001:db8::9"))
	require.NotEqual(t, network("[2001:db8::1]:80"), network("[2001:db8:0:1::1]:80"))
	require.Equal(t, "192.0.2.1", network("[::ffff:192.0.2.1]:80"))
}

func TestFailuresRememberOnlySoMuch(t *testing.T) {
	t.Parallel()
	f := NewFailures(1)
	for i := range remembered + 10 {
		f.Failed(fmt.Sprintf("10.%d.%d.1:1", i/256, i%256))
	}
	require.LessOrEqual(t, len(f.addresses), remembered)
}
