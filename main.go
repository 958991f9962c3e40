// Command grym-synth is an audio-job server in one binary. See README.md.
package main

import (
	"context"
	_ "embed" // the contract
	"os"
	"os/signal"
	"syscall"

	"github.com/grym-synth/grym-synth/internal/app"
	"github.com/grym-synth/grym-synth/internal/cli"
)

//go:embed openapi.yaml
var contract []byte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := cli.Main(ctx, stop, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, app.Commands(contract))
	stop()
	os.Exit(code)
}
