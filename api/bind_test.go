package api

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/gen"
)

func TestParametersThatCannotBeReadNameTheirKind(t *testing.T) {
	t.Parallel()
	_, truth := strconv.ParseBool("perhaps")
	_, number := strconv.ParseFloat("perhaps", 64)
	_, whole := strconv.Atoi("perhaps")
	for want, err := range map[string]error{"true or false": truth, "a number": number, "a whole number": whole} {
		err := bindFault(&gen.InvalidParamFormatError{ParamName: "gap", Err: err})
		require.ErrorContains(t, err, `gap must be `+want+`, got "perhaps"`)
	}
}
