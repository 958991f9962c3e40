package pipelines

import (
	"math"
	"strings"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// maxText bounds the texts that expressions make.
const maxText = 1 << 20

// leastWindow is the length in seconds below which the rest of a recording joins the window
// before it.
const leastWindow = 0.5

// spanShape is what windows returns.
var spanShape = object("span", map[string]*shape{"start": doubleShape, "end": doubleShape})

// functions of expressions, besides those of CEL.
func functions() []cel.EnvOption {
	span := types.NewListType(types.NewObjectType(spanShape.name))
	list := types.NewListType(types.DynType) // nulls among its items are left out
	return []cel.EnvOption{
		cel.Function("windows",
			cel.Overload("windows_double_double", []*cel.Type{cel.DoubleType, cel.DoubleType}, span, cel.BinaryBinding(windows)),
			cel.Overload("windows_double_int", []*cel.Type{cel.DoubleType, cel.IntType}, span, cel.BinaryBinding(windows))),
		cel.Function("range", cel.Overload("range_int", []*cel.Type{cel.IntType}, types.NewListType(types.IntType), cel.UnaryBinding(counted))),
		cel.Function("join", cel.Overload("join_list_string", []*cel.Type{list, cel.StringType}, cel.StringType, cel.BinaryBinding(joined))),
		cel.Function("lower", cel.Overload("lower_string", []*cel.Type{cel.StringType}, cel.StringType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			text, ok := v.(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(v)
			}
			return types.String(strings.ToLower(string(text)))
		}))),
		cel.Function("best", cel.Overload("best_list", []*cel.Type{list}, cel.IntType, cel.UnaryBinding(best))),
		cel.Function("overlap",
			cel.Overload("overlap_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.DoubleType, cel.BinaryBinding(overlap))),
	}
}

// windows returns the spans of the given length that cover a recording.
func windows(duration, length ref.Val) ref.Val {
	total, ok := duration.ConvertToType(types.DoubleType).(types.Double)
	each, also := length.ConvertToType(types.DoubleType).(types.Double)
	switch {
	case !ok || !also:
		return types.MaybeNoSuchOverloadErr(length)
	case each < leastWindow || math.IsNaN(float64(each)):
		return types.NewErr("the length of windows must be at least %g seconds, got %g", leastWindow, float64(each))
	case float64(total)/float64(each) > MaxItems:
		return types.NewErr("%g seconds make more than %d windows of %g seconds", float64(total), MaxItems, float64(each))
	}
	spans := []any{}
	for start := types.Double(0); start < total; start += each {
		end := min(start+each, total)
		if total-end < leastWindow {
			end = total
		}
		spans = append(spans, map[string]any{"start": float64(start), "end": float64(end)})
		if end == total {
			break
		}
	}
	return types.DefaultTypeAdapter.NativeToValue(spans)
}

// counted returns the numbers from 0 to below n.
func counted(n ref.Val) ref.Val {
	count, ok := n.(types.Int)
	if !ok {
		return types.MaybeNoSuchOverloadErr(n)
	}
	if count < 0 || count > MaxItems {
		return types.NewErr("range must be of 0 to %d, got %d", MaxItems, int64(count))
	}
	list := make([]any, count)
	for i := range list {
		list[i] = int64(i)
	}
	return types.DefaultTypeAdapter.NativeToValue(list)
}

// joined returns the texts of a list with a separator between them. Nulls are left out.
func joined(list, separator ref.Val) ref.Val {
	between, ok := separator.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(separator)
	}
	var b strings.Builder
	first := true
	err := each(list, func(_ int, v ref.Val) ref.Val {
		text, ok := v.(types.String)
		if v == types.NullValue {
			return nil
		}
		if !ok {
			return types.MaybeNoSuchOverloadErr(v)
		}
		if !first {
			b.WriteString(string(between))
		}
		first = false
		b.WriteString(string(text))
		if b.Len() > maxText {
			return types.NewErr("join makes a text of more than %d bytes", maxText)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return types.String(b.String())
}

// best returns the index of the greatest number of a list, the first of equal ones.
// Nulls count as less than every number.
func best(list ref.Val) ref.Val {
	at, most := -1, math.Inf(-1)
	err := each(list, func(i int, v ref.Val) ref.Val {
		if v == types.NullValue {
			return nil
		}
		number, ok := v.ConvertToType(types.DoubleType).(types.Double)
		if !ok {
			return types.MaybeNoSuchOverloadErr(v)
		}
		if at < 0 || float64(number) > most {
			at, most = i, float64(number)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case at < 0:
		return types.NewErr("best: the list has no number")
	}
	return types.Int(at)
}

// each calls visit for every item of a list until it returns an error.
func each(list ref.Val, visit func(i int, v ref.Val) ref.Val) ref.Val {
	items, ok := list.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(list)
	}
	i := 0
	for it := items.Iterator(); it.HasNext() == types.True; i++ {
		if err := visit(i, it.Next()); err != nil {
			return err
		}
	}
	return nil
}

// overlap returns which part of the different words of the second text the first one has.
func overlap(text, wanted ref.Val) ref.Val {
	of, ok := text.(types.String)
	in, also := wanted.(types.String)
	if !ok || !also {
		return types.MaybeNoSuchOverloadErr(text)
	}
	has := wordsOf(string(of))
	all := wordsOf(string(in))
	if len(all) == 0 {
		return types.Double(0)
	}
	n := 0
	for word := range all {
		if has[word] {
			n++
		}
	}
	return types.Double(float64(n) / float64(len(all)))
}

// wordsOf returns the different words of a text, in lower case.
func wordsOf(text string) map[string]bool {
	words := make(map[string]bool)
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		words[word] = true
	}
	return words
}
