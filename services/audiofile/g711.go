package audiofile

// The values of the 256 codes of ITU-T G.711, as 16-bit levels over 32768. A code is a
// sign, a segment (exponent) and a step within it (mantissa). The value is the middle
// of the step.
var (
	aLawValues  = expand(aLawLevel)
	muLawValues = expand(muLawLevel)
)

func expand(level func(code byte) int) (values [256]float32) {
	for code := range values {
		values[code] = float32(level(byte(code))) / 32768
	}
	return values
}

// aLawLevel decodes A-law, which is transmitted with its even bits inverted. The first
// two segments have steps of the same width.
func aLawLevel(code byte) int {
	code ^= 0x55
	segment, step := int(code>>4&7), int(code&15)
	level := step<<4 + 8
	if segment > 0 {
		level = (level + 0x100) << (segment - 1)
	}
	if code&0x80 == 0 {
		return -level
	}
	return level
}

// muLawLevel decodes mu-law, which is transmitted with all bits inverted. Levels are
// biased by 33 units of the 14-bit scale, so that the segments are powers of two.
func muLawLevel(code byte) int {
	const bias = 33 << 2
	code = ^code
	segment, step := int(code>>4&7), int(code&15)
	level := (step<<3+bias)<<segment - bias
	if code&0x80 != 0 {
		return -level
	}
	return level
}
