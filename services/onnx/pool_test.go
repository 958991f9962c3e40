package onnx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheEngineAllocatesFromPools(t *testing.T) {
	require.NotNil(t, engine.NewGauge())
}

