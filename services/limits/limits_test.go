package limits_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/limits"
)

// limitCases check each kind of value just below, at and just above both of its limits.
// An empty text means that the value is allowed.
var limitCases = []struct {
	name  string
	check func(f *limits.File)
	says  string
}{
	{"int below", func(f *limits.File) { f.Int("width", 1, 2, 5) }, "width must be at least 2, got 1"},
	{"int least", func(f *limits.File) { f.Int("width", 2, 2, 5) }, ""},
	{"int least and one", func(f *limits.File) { f.Int("width", 3, 2, 5) }, ""},
	{"int most less one", func(f *limits.File) { f.Int("width", 4, 2, 5) }, ""},
	{"int most", func(f *limits.File) { f.Int("width", 5, 2, 5) }, ""},
	{"int above", func(f *limits.File) { f.Int("width", 6, 2, 5) }, "width must be at most 5, got 6"},
	{
		"int of least type", func(f *limits.File) { f.Int("width", math.MinInt64, 0, 5) },
		"width must be at least 0, got -9223372036854775808",
	},
	{
		"int of most type", func(f *limits.File) { f.Int("width", math.MaxInt64, 0, 5) },
		"width must be at most 5, got 9223372036854775807",
	},

	{
		"float below", func(f *limits.File) { f.Float("eps", math.Nextafter(0.5, 0), 0.5, 2) },
		"eps must be at least 0.5, got 0.49999999999999994",
	},
	{"float least", func(f *limits.File) { f.Float("eps", 0.5, 0.5, 2) }, ""},
	{"float most", func(f *limits.File) { f.Float("eps", 2, 0.5, 2) }, ""},
	{
		"float above", func(f *limits.File) { f.Float("eps", math.Nextafter(2, 3), 0.5, 2) },
		"eps must be at most 2, got 2.0000000000000004",
	},
	{"float NaN", func(f *limits.File) { f.Float("eps", math.NaN(), 0.5, 2) }, "eps must be at least 0.5, got NaN"},
	{
		"float infinite", func(f *limits.File) { f.Float("eps", math.Inf(1), 0.5, math.MaxFloat64) },
		"eps must be at most 1.7976931348623157e+308, got +Inf",
	},
	{
		"float infinite below", func(f *limits.File) { f.Float("eps", math.Inf(-1), -math.MaxFloat64, 2) },
		"eps must be at least -1.7976931348623157e+308, got -Inf",
	},

	{"count below", func(f *limits.File) { f.Count("layers", 1, 2, 4) }, "layers must have at least 2 values, got 1"},
	{"count fewest", func(f *limits.File) { f.Count("layers", 2, 2, 4) }, ""},
	{"count many", func(f *limits.File) { f.Count("layers", 4, 2, 4) }, ""},
	{"count above", func(f *limits.File) { f.Count("layers", 5, 2, 4) }, "layers must have at most 4 values, got 5"},

	{"text less one", func(f *limits.File) { f.Text("token", "ab", 3) }, ""},
	{"text most", func(f *limits.File) { f.Text("token", "abc", 3) }, ""},
	{"text above", func(f *limits.File) { f.Text("token", "abcd", 3) }, "token must be at most 3 bytes, got 4"},
	{"text above in bytes", func(f *limits.File) { f.Text("token", "ää", 3) }, "token must be at most 3 bytes, got 4"},

	{"list below", func(f *limits.File) { f.Ints("kernel", make([]int64, 1), 2, 3, 0, 0) }, "kernel must have at least 2 values, got 1"},
	{"list fewest", func(f *limits.File) { f.Ints("kernel", make([]int64, 2), 2, 3, 0, 0) }, ""},
	{"list many", func(f *limits.File) { f.Ints("kernel", make([]int64, 3), 2, 3, 0, 0) }, ""},
	{"list above", func(f *limits.File) { f.Ints("kernel", make([]int64, 4), 2, 3, 0, 0) }, "kernel must have at most 3 values, got 4"},
	{
		"first of a list", func(f *limits.File) { f.Ints("kernel", []int64{0, 1, 2}, 2, 3, 1, 2) },
		"kernel[0] must be at least 1, got 0",
	},
	{
		"last of a list", func(f *limits.File) { f.Ints("kernel", []int64{1, 2, 3}, 2, 3, 1, 2) },
		"kernel[2] must be at most 2, got 3",
	},
	{"all of a list", func(f *limits.File) { f.Ints("kernel", []int64{1, 2, 1}, 2, 3, 1, 2) }, ""},

	{"first of those known", func(f *limits.File) { f.OneOf("kind", "a", "a", "b") }, ""},
	{"last of those known", func(f *limits.File) { f.OneOf("kind", "b", "a", "b") }, ""},
	{"none of those known", func(f *limits.File) { f.OneOf("kind", "A", "a", "b") }, `kind must be a or b, got "A"`},
}

func TestValuesAtTheirLimits(t *testing.T) {
	t.Parallel()
	for _, c := range limitCases {
		file := limits.Of("m/config.json")
		c.check(file)
		if c.says == "" {
			require.NoError(t, file.Err(), c.name)
		} else {
			require.EqualError(t, file.Err(), "m/config.json: "+c.says, c.name)
		}
	}
}

func TestTheFirstComplaintStays(t *testing.T) {
	t.Parallel()
	file := limits.Of("100%/config.json")
	require.NoError(t, file.Err())
	file.Int("a", 1, 1, 1)
	file.Int("b", 2, 1, 1)
	file.Float("c", 2, 1, 1)
	file.Fail("d is %s", "bad")
	require.EqualError(t, file.Err(), "100%/config.json: b must be at most 1, got 2")
}

func TestAQuotedTextIsShort(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"a\nb"`, limits.Quote("a\nb"))
	require.Equal(t, `"`+strings.Repeat("x", 64)+`"`, limits.Quote(strings.Repeat("x", 64)))
	require.Equal(t, `"`+strings.Repeat("x", 64)+`"`, limits.Quote(strings.Repeat("x", 65)))
}

func TestProductsAndSumsAtTheLargestNumber(t *testing.T) {
	t.Parallel()
	const most = math.MaxInt64
	for _, c := range []struct {
		values       []int64
		product, sum int64
	}{
		{nil, 1, 0},
		{[]int64{7}, 7, 7},
		{[]int64{0}, 0, 0},
		{[]int64{-1}, 0, 0},
		{[]int64{most}, most, most},
		{[]int64{most, 1}, most, most},
		{[]int64{most - 1, 1}, most - 1, most},
		{[]int64{most - 2, 1}, most - 2, most - 1},
		{[]int64{most, most, most}, most, most},
		{[]int64{most, 2, 0}, 0, most},
		{[]int64{most, 2, 3, -1}, 0, most},
		{[]int64{0, most, most}, 0, most},
		{[]int64{-5, 6}, 0, 6},
		{[]int64{math.MinInt64, 6}, 0, 6},
		{[]int64{1 << 31, 1 << 31}, 1 << 62, 1 << 32},
		{[]int64{1 << 31, 1 << 32}, most, 1<<31 + 1<<32},
		// The root of the largest number, and the next.
		{[]int64{3_037_000_499, 3_037_000_499}, 9_223_372_030_926_249_001, 6_074_000_998},
		{[]int64{3_037_000_500, 3_037_000_500}, most, 6_074_001_000},
		// 2^63-1 is 7^2 * 73 * 127 * 337 * 92737 * 649657.
		{[]int64{7, 7, 73, 127, 337, 92_737, 649_657}, most, 7 + 7 + 73 + 127 + 337 + 92_737 + 649_657},
	} {
		require.Equal(t, c.product, limits.Product(c.values...), "product of %v", c.values)
		require.Equal(t, c.sum, limits.Sum(c.values...), "sum of %v", c.values)
	}
}

// TestProductsAndSumsAreThoseOfLargeNumbers compares with math/big, which does not
// overflow.
func TestProductsAndSumsAreThoseOfLargeNumbers(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	saturated := func(n *big.Int) int64 {
		if n.IsInt64() {
			return n.Int64()
		}
		return math.MaxInt64
	}
	for range 20_000 {
		values := make([]int64, random.IntN(5))
		product, sum := big.NewInt(1), big.NewInt(0)
		for i := range values {
			values[i] = random.Int64() >> random.IntN(64)
			product.Mul(product, big.NewInt(values[i]))
			sum.Add(sum, big.NewInt(values[i]))
		}
		require.Equal(t, saturated(product), limits.Product(values...), "product of %v", values)
		require.Equal(t, saturated(sum), limits.Sum(values...), "sum of %v", values)
	}
}
