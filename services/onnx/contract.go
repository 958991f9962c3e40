package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrContract is wrapped when a graph's inputs or outputs are not what the
// pipeline feeds and reads.
var ErrContract = errors.New("graph does not fit")

// maxProblems and tensors are named in an error.
const maxProblems = 16

// Contract says which inputs and outputs a pipeline knows.
type Contract struct {
	Inputs  []TensorSpec
	Outputs []TensorSpec
}

// TensorSpec is what a pipeline expects of one input or output.
type TensorSpec struct {
	Name string
	Type ElementType
	// Or is another type that will do; zero for none.
	Or ElementType
	// Rank is the number of dimensions.
	Rank int
	// Dims that must match where they are above zero and the graph fixes them;
	// may be shorter than Rank.
	Dims []int64
	// Optional inputs and outputs may be absent from the graph.
	Optional bool
}

// Fits tells whether a graph has what the contract says; the error wraps
// ErrContract.
func (c Contract) Fits(sig Signature) error {
	_, _, err := c.check(sig)
	return err
}

// check gives the names to feed and to read, in the contract's order. Every
// mismatch is told, with what was expected and what was found. An input that
// the contract does not know cannot be fed, so it is a mismatch; an unknown
// output is not asked for.
func (c Contract) check(sig Signature) (inputs, outputs []string, err error) {
	var problems []string
	inputs, problems = matchSpecs("input", c.Inputs, sig.Inputs, problems)
	outputs, problems = matchSpecs("output", c.Outputs, sig.Outputs, problems)
	for _, info := range sig.Inputs {
		known := slices.ContainsFunc(c.Inputs, func(s TensorSpec) bool { return s.Name == info.Name })
		if !known {
			problems = append(problems, fmt.Sprintf("input %s is not known to this pipeline", info))
		}
	}
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems], fmt.Sprintf("and %d more", more))
	}
	if len(problems) > 0 {
		return nil, nil, fmt.Errorf("%w: %s", ErrContract, strings.Join(problems, "; "))
	}
	return inputs, outputs, nil
}

func matchSpecs(what string, specs []TensorSpec, infos []TensorInfo, problems []string) (names, all []string) {
	for _, spec := range specs {
		i := slices.IndexFunc(infos, func(info TensorInfo) bool { return info.Name == spec.Name })
		switch {
		case i < 0 && spec.Optional:
		case i < 0:
			problems = append(problems, fmt.Sprintf("%s %s is missing, found %v", what, spec, infos[:min(len(infos), maxProblems)]))
		case !spec.fits(infos[i]):
			problems = append(problems, fmt.Sprintf("%s must be %s, found %s", what, spec, infos[i]))
		default:
			names = append(names, spec.Name)
		}
	}
	return names, problems
}

// String gives the specification as TensorInfo gives what was found.
func (s TensorSpec) String() string {
	dims := make([]int64, s.Rank)
	for i := range dims {
		dims[i] = -1
		if i < len(s.Dims) && s.Dims[i] > 0 {
			dims[i] = s.Dims[i]
		}
	}
	return TensorInfo{Name: s.Name, Type: s.Type, Dims: dims}.String()
}

func (s TensorSpec) fits(info TensorInfo) bool {
	// Exporters may leave the rank of an output to shape inference at run time.
	if info.Type != s.Type && (s.Or == 0 || info.Type != s.Or) || info.Dims != nil && len(info.Dims) != s.Rank {
		return false
	}
	for i, want := range s.Dims {
		if info.Dims != nil && want > 0 && info.Dims[i] >= 0 && info.Dims[i] != want {
			return false
		}
	}
	return true
}
