package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
)

// natsNode is one server of a NATS cluster.
type natsNode struct {
	name, url string
	cmd       *exec.Cmd
	log       *lines
}

func (n *natsNode) Write(p []byte) (int, error) {
	n.log.add(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (n *natsNode) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait() // the second time it says only that it was waited for
}

// natsServer builds nats-server from the module that the binary embeds.
func natsServer(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "nats-server")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/nats-io/nats-server/v2").CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

// natsCluster starts three servers that know of each other.
func natsCluster(t *testing.T) []*natsNode {
	t.Helper()
	binary := natsServer(t)
	ports := recordstest.FreePorts(t, 6)
	route := func(i int) string { return fmt.Sprintf("nats://127.0.0.1:%d", ports[3+i]) }
	var nodes []*natsNode
	for i := range 3 {
		n := &natsNode{name: "node" + strconv.Itoa(i), url: fmt.Sprintf("nats://127.0.0.1:%d", ports[i]), log: &lines{}}
		n.cmd = exec.CommandContext(t.Context(), binary, "-n", n.name, "-a", "127.0.0.1", "-p", strconv.Itoa(ports[i]), "-js", "-sd", t.TempDir(),
			"--cluster_name", "grym", "--cluster", route(i), "--routes", strings.Join([]string{route(0), route(1), route(2)}, ","))
		n.cmd.Stderr = n
		require.NoError(t, n.cmd.Start())
		t.Cleanup(n.kill)
		nodes = append(nodes, n)
	}
	return nodes
}

// operator is a read-only client of the cluster.
func operator(t *testing.T, nodes []*natsNode) jetstream.JetStream {
	t.Helper()
	var conn *nats.Conn
	require.Eventually(t, func() bool {
		var err error
		conn, err = nats.Connect(urls(nodes), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := js.AccountInfo(ctx)
		return err == nil
	}, 20*time.Second, 20*time.Millisecond, "the cluster elects no leader")
	return js
}

func urls(nodes []*natsNode) string {
	var list []string
	for _, n := range nodes {
		list = append(list, n.url)
	}
	return strings.Join(list, ",")
}

// leader returns the node that leads the stream of the jobs' records.
func leader(t *testing.T, js jetstream.JetStream, nodes []*natsNode) *natsNode {
	t.Helper()
	stream, err := js.Stream(t.Context(), "KV_grym-jobs")
	require.NoError(t, err)
	info := stream.CachedInfo()
	require.Len(t, info.Cluster.Replicas, 2)
	for _, n := range nodes {
		if n.name == info.Cluster.Leader {
			return n
		}
	}
	t.Fatalf("no node is %q", info.Cluster.Leader)
	return nil
}

// recovery returns the time until a job is accepted, and until it is done.
func recovery(ctx context.Context, t *testing.T, app *application, w work, seen *tally) string {
	t.Helper()
	began := time.Now()
	j, err := app.submit(ctx, w)
	require.NoError(t, err)
	accepted := time.Since(began)
	j, err = app.wait(ctx, j.ID)
	require.NoError(t, err)
	seen.see(j)
	return fmt.Sprintf("a job was accepted after %s, done after %s", accepted.Round(time.Millisecond),
		time.Since(began).Round(time.Millisecond))
}

// TestJobsSurviveTheLossOfANodeAndAProcess has two processes work for one queue in
// a cluster of three, and kills the leader of its stream and then one process.
func TestJobsSurviveTheLossOfANodeAndAProcess(t *testing.T) {
	t.Parallel()
	nodes := natsCluster(t)
	js := operator(t, nodes)
	shared := configured(t, `jobs: {url: "`+urls(nodes)+`", replicas: 3, claimTimeout: 4s}`)
	pair := []*server{start(t, shared...), start(t, shared...)}
	mixture := mixedWork(t, pair[0])
	// A process that does not respond loses its jobs to the other one.
	apps := make([]*application, len(pair))
	for i := range pair {
		apps[i] = newApplication(t, func(try int) string { return pair[(i+try)%len(pair)].url })
	}
	const jobs = 120
	ctx, seen := watched(t, 3*time.Minute)
	first := submitAll(ctx, t, apps[0], mixture, "first", jobs/2, 8, seen)
	second := submitAll(ctx, t, apps[1], mixture, "second", jobs/2, 8, seen)

	require.NoError(t, seen.reach(ctx, jobs/4))
	leading := leader(t, js, nodes)
	leading.kill()
	t.Logf("killed %s, which led the stream: %s", leading.name, recovery(ctx, t, apps[0], mixture[0], seen))

	require.NoError(t, seen.reach(ctx, jobs/2))
	pair[0].kill()
	t.Logf("killed one of two processes: %s", recovery(ctx, t, apps[0], mixture[0], seen))
	first.Wait()
	second.Wait()
	require.NoError(t, context.Cause(ctx))

	// The list is what the process has heard from the cluster, whose new leader
	// takes a while to appear.
	var all []job
	require.Eventually(t, func() bool {
		var err error
		all, err = apps[1].list(ctx, "")
		return err == nil && !slices.ContainsFunc(all, func(j job) bool { return j.Status == "queued" || j.Status == "running" })
	}, time.Minute, 100*time.Millisecond)
	workers := make(map[string]int)
	for _, j := range all {
		workers[j.AttemptLog[len(j.AttemptLog)-1].Worker]++
	}
	counts, lost := checkEnds(t, all, seen)
	t.Logf("%d jobs accepted, %d found, by end: %v; %d attempts ended with their process; worker: %v; requests that came again: %d and %d",
		len(seen.ends), len(all), counts, lost, workers, apps[0].again.Load(), apps[1].again.Load())
	require.Len(t, workers, 2, "both processes work")
	require.Len(t, all, jobs+2, "none twice")
	require.Len(t, seen.ends, jobs+2, "none lost")
	require.Equal(t, map[string]int{"succeeded": jobs + 2}, counts)
}
