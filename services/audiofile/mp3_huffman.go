package audiofile

import "math"

// mp3Tree is a table of Huffman codes: each node has the next one for either
// bit, or the complement of a value.
type mp3Tree [][2]int16

// parseMP3Tree reads a tree as it is written in mp3Codes.
func parseMP3Tree(text string) mp3Tree {
	var tree mp3Tree
	var parse func() int16
	digit := func() int16 {
		c := text[0]
		text = text[1:]
		if c >= 'a' {
			return int16(c-'a') + 10
		}
		return int16(c - '0')
	}
	parse = func() int16 {
		if text[0] != '.' {
			return ^(digit()<<4 | digit())
		}
		text = text[1:]
		node := len(tree)
		tree = append(tree, [2]int16{})
		zero := parse()
		tree[node] = [2]int16{zero, parse()}
		return int16(node)
	}
	parse()
	return tree
}

// decode reads one code.
func (t mp3Tree) decode(b *bitReader) int {
	node := int16(0)
	for {
		if node = t[node][b.bit()]; node < 0 {
			return int(^node)
		}
	}
}

// mp3Table is a tree and the bits that follow a value of 15.
type mp3Table struct {
	tree mp3Tree // nil where every value is zero
	more int
}

// mp3Trees are the tables of pairs by their number, and those of quads.
var mp3Trees, mp3QuadTrees = func() (tables [32]mp3Table, quads [2]mp3Tree) {
	for i, text := range mp3Codes {
		tables[i].tree = parseMP3Tree(text)
	}
	for i, more := range []int{1, 2, 3, 4, 6, 8, 10, 13} {
		tables[16+i] = mp3Table{tables[16].tree, more}
	}
	wide := tables[24].tree
	for i, more := range []int{4, 5, 6, 7, 8, 9, 11, 13} {
		tables[24+i] = mp3Table{wide, more}
	}
	for i, text := range mp3Quads {
		quads[i] = parseMP3Tree(text)
	}
	return tables, quads
}()

// mp3Powers are the values to the power of 4/3.
var mp3Powers = func() []float32 {
	powers := make([]float32, 15+1<<13)
	for i := range powers {
		powers[i] = float32(math.Pow(float64(i), 4.0/3))
	}
	return powers
}()

// signed reads what follows an absolute value, and returns it expanded.
func (t *mp3Table) signed(b *bitReader, value int) float32 {
	if value == 0 {
		return 0
	}
	if value == 15 && t.more > 0 {
		value += b.bits(t.more)
	}
	if b.bit() == 1 {
		return -mp3Powers[value]
	}
	return mp3Powers[value]
}

// readLines reads the lines of a granule, which end before a bit.
func (g *mp3Granule) readLines(b *bitReader, end int, lines *[mp3Lines]float32) {
	*lines = [mp3Lines]float32{}
	at := 0
	for region, table := range g.tables {
		to := min(2*g.bigValues, mp3Lines)
		if region < len(g.regions) {
			to = min(to, g.regions[region])
		}
		if t := &mp3Trees[table]; t.tree != nil {
			for ; at < to && b.at < end; at += 2 {
				pair := t.tree.decode(b)
				lines[at] = t.signed(b, pair>>4)
				lines[at+1] = t.signed(b, pair&15)
			}
		}
		at = max(at, to)
	}
	tree := mp3QuadTrees[g.quads]
	for ; at+4 <= mp3Lines && b.at < end; at += 4 {
		quad := tree.decode(b)
		for i := range 4 {
			if quad>>(3-i)&1 == 0 {
				continue
			}
			lines[at+i] = 1
			if b.bit() == 1 {
				lines[at+i] = -1
			}
		}
		if b.at > end { // it was none, but what fills the last byte
			clear(lines[at : at+4])
		}
	}
}
