// Command grym-synth is an audio-job server in one binary. See README.md.
package main

import (
	"context"
	_ "embed" // the contract and the description of the settings
	"os"
	"os/signal"
	"syscall"

	"github.com/grym-synth/grym-synth/internal/app"
	"github.com/grym-synth/grym-synth/internal/cli"
)

//go:embed openapi.yaml
var contract []byte

//go:embed config.yaml
var settings []byte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	streams := cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	code := cli.Main(ctx, stop, os.Args[1:], streams, app.Commands(contract, settings))
	stop()
	os.Exit(code)
}
