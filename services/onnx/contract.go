package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrContract is wrapped by errors about a graph whose inputs or outputs differ from
// what the pipeline uses.
var ErrContract = errors.New("graph does not fit")

// maxProblems is the maximum number of mismatches, and of tensors, listed in an error.
const maxProblems = 16

// Contract describes the inputs and outputs that a pipeline uses.
type Contract struct {
	Inputs  []TensorSpec
	Outputs []TensorSpec
}

// TensorSpec describes one input or output of a Contract.
type TensorSpec struct {
	Name string
	Type ElementType
	// Or is an alternative type; zero for none.
	Or ElementType
	// Rank is the number of dimensions; AnyRank allows any other, of which Dims is not compared.
	Rank    int
	AnyRank bool
	// Dims are required sizes, compared where they are above zero and the graph has a
	// fixed size. They may be shorter than Rank.
	Dims []int64
	// Optional inputs and outputs may be absent from the graph.
	Optional bool
}

// Fits returns an error that wraps ErrContract if the graph does not satisfy the
// contract.
func (c Contract) Fits(sig Signature) error {
	_, _, err := c.check(sig)
	return err
}

// check returns the names of the inputs and outputs to use, in the contract's order.
// Its error lists every mismatch with the expected and the actual tensor. An input that
// is not in the contract is a mismatch because nothing could be fed to it; an
// additional output is ignored.
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

// String formats the specification like TensorInfo.String.
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
	if info.Type != s.Type && (s.Or == 0 || info.Type != s.Or) {
		return false
	}
	// Exporters may omit the rank of an output, leaving it to shape inference at run
	// time.
	if info.Dims != nil && len(info.Dims) != s.Rank {
		return s.AnyRank
	}
	for i, want := range s.Dims {
		if info.Dims != nil && want > 0 && info.Dims[i] >= 0 && info.Dims[i] != want {
			return false
		}
	}
	return true
}
