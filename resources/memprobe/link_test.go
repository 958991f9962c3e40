package memprobe

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinkSpeedIsThatOfTheFastestLinkThatIsUp(t *testing.T) {
	t.Parallel()
	p := Probe{Root: t.TempDir()[1:]}
	_, err := p.LinkSpeed()
	require.ErrorIs(t, err, ErrUnknown)
	link := func(name, state, speed string) {
		dir := filepath.Join("/", p.Root, "sys/class/net", name)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "operstate"), []byte(state+"\n"), 0o600))
		if speed != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "speed"), []byte(speed+"\n"), 0o600))
		}
	}
	link("virtual", "up", "-1")
	link("lo", "unknown", "")
	link("silent", "up", "")
	_, err = p.LinkSpeed()
	require.ErrorIs(t, err, ErrUnknown)
	link("slow", "up", "100")
	link("eth", "up", "1000")
	link("unplugged", "down", "10000")
	speed, err := p.LinkSpeed()
	require.NoError(t, err)
	require.InDelta(t, 125e6, speed, 0)
}
