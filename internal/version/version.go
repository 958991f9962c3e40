// Package version identifies the build.
package version

import (
	"runtime"
	"runtime/debug"
)

// Version is the release, set by the linker in release builds.
var Version = "0.2.0-dev"

// Commit returns the revision of the build, "unknown" if it is not known, with the suffix
// "-dirty" if the tree had changes.
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, dirty := "unknown", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			commit = setting.Value[:min(12, len(setting.Value))]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			dirty = "-dirty"
		}
	}
	return commit + dirty
}

// Platform returns the operating system and architecture, such as "linux/amd64".
func Platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
