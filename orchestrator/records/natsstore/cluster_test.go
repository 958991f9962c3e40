package natsstore

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
)

// cluster starts three servers that know of each other, and returns their addresses.
func cluster(t *testing.T) string {
	t.Helper()
	ports := recordstest.FreePorts(t, 3)
	var routes []*url.URL
	for _, port := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	var addresses []string
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("node%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true,
			JetStream: true, StoreDir: t.TempDir(), Routes: routes,
			Cluster: server.ClusterOpts{Name: "grym", Host: "127.0.0.1", Port: port},
		})
		require.NoError(t, err)
		s.Start()
		t.Cleanup(func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
		require.True(t, s.ReadyForConnections(20*time.Second))
		addresses = append(addresses, s.ClientURL())
	}
	return strings.Join(addresses, ",")
}

func TestTheStoreInACluster(t *testing.T) { //nolint:tparallel // its parts build on each other
	t.Parallel()
	cfg := DefaultConfig()
	cfg.URL, cfg.Replicas = cluster(t), 3
	s := New(cfg, roomy, slog.New(slog.DiscardHandler))
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { shut(t, s) })
	require.Eventually(t, func() bool { return s.Problem() == "" }, 30*time.Second, 10*time.Millisecond)
	require.False(t, s.Exclusive())
	recordstest.Conform(t, s)
}
