package config

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDescribeReturnsMeaningDefaultOriginAndWhetherASettingIsLive(t *testing.T) {
	t.Parallel()
	reference, err := os.ReadFile("../../config.yaml")
	require.NoError(t, err)
	source := Source{
		Reference: reference, Environ: []string{"GRYM_API__MAXUPLOAD=1MiB"}, Flags: map[string]string{"api.listen": "127.0.0.1:0"},
	}
	loaded, err := Load(source)
	require.NoError(t, err)
	live := NewLive(source, loaded, func(*Loaded) {})
	_, err = live.Patch(map[string]any{"log": map[string]any{"level": "debug"}})
	require.NoError(t, err)

	list, err := live.Describe()
	require.NoError(t, err)
	byKey := make(map[string]Setting)
	described := 0
	for _, one := range list {
		byKey[one.Key] = one
		if one.Description != "" {
			described++
		}
	}
	require.Greater(t, described, len(list)*7/10)
	require.Equal(t, Setting{
		Key: "api.listen", Description: "host and port; port 0 selects a free one", Default: "127.0.0.1:8080", Origin: "--listen",
	}, byKey["api.listen"])
	require.Equal(t, Setting{Key: "log.level", Description: "debug, info, warn, error", Default: "info", Origin: "changed live", Live: true},
		byKey["log.level"])
	require.Equal(t, "GRYM_API__MAXUPLOAD", byKey["api.maxUpload"].Origin)
	require.Equal(t, "256MiB", byKey["api.maxUpload"].Default)
	require.Equal(t, "default", byKey["dataDir"].Origin)
	require.Equal(t, "files; empty: the system's", byKey["jobs.tls.ca"].Description, "of a mapping on one line")
	require.Equal(t, "of the service's models and tasks together", byKey["services.gama.maxMemory"].Description, "is inherited")
	require.True(t, byKey["services.gama.maxMemory"].Live)
	require.Contains(t, byKey["models.aliases"].Description, "Further names of models")
}

func TestReadCommentsRefusesInvalidYAML(t *testing.T) {
	t.Parallel()
	_, err := readComments([]byte("a: [1"))
	require.ErrorContains(t, err, "read the comments of the settings")
	none, err := readComments(nil)
	require.NoError(t, err)
	require.Empty(t, none)
}
