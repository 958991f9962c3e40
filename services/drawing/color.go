package drawing

import (
	"image/color"
	"slices"
)

// hex is a colour as 0xRRGGBB.
type hex uint32

func (h hex) rgb() color.RGBA {
	return color.RGBA{R: uint8(h >> 16), G: uint8(h >> 8), B: uint8(h), A: 255}
}

// colorMaps are colours at equal distances, between which a map is linear. The colours of
// viridis (Smith and van der Walt 2015), magma and cividis (Nuñez, Anderton and Renslow
// 2018) are in the public domain (CC0). The lightness of each rises all the way, and that
// of cividis is the same for people with red-green blindness.
var colorMaps = map[string][]hex{
	"viridis": {0x440154, 0x48186a, 0x472d7b, 0x424086, 0x3b528b, 0x33638d, 0x2c728e, 0x26828e, 0x21918c,
		0x1fa088, 0x28ae80, 0x3fbc73, 0x5ec962, 0x84d44b, 0xaddc30, 0xd8e219, 0xfde725},
	"cividis": {0x00224e, 0x002e6a, 0x1a386f, 0x32436d, 0x434e6c, 0x535a6d, 0x61656f, 0x6f7073, 0x7d7c78,
		0x8c8878, 0x9b9476, 0xaba072, 0xbcae6c, 0xcdbb63, 0xdec958, 0xf0d846, 0xfee838},
	"magma": {0x000004, 0x0a0822, 0x1d1147, 0x36106b, 0x51127c, 0x6a1c81, 0x832681, 0x9c2e7f, 0xb73779,
		0xd0416f, 0xe75263, 0xf56b5c, 0xfc8961, 0xfea772, 0xfec488, 0xfde2a3, 0xfcfdbf},
	"gray": {0x000000, 0xffffff},
}

// ColorMaps returns the names of the colour maps, the default first.
func ColorMaps() []string { return []string{"viridis", "cividis", "magma", "gray"} }

// levels is the number of colours of a spectrogram.
const levels = 208

// mapColors returns the colours of a map from the first to the last level. On a light
// ground gray is dark where the level is high.
func mapColors(name string, dark bool) []color.RGBA {
	stops := colorMaps[name]
	if name == "gray" && !dark {
		stops = slices.Clone(stops)
		slices.Reverse(stops)
	}
	list := make([]color.RGBA, levels)
	for i := range list {
		at := float64(i) / (levels - 1) * float64(len(stops)-1)
		k := min(int(at), len(stops)-2)
		list[i] = blend(stops[k].rgb(), stops[k+1].rgb(), at-float64(k))
	}
	return list
}

// blend returns a mixture of two colours, the first for 0.
func blend(a, b color.RGBA, share float64) color.RGBA {
	part := func(x, y uint8) uint8 { return uint8(float64(x) + share*(float64(y)-float64(x)) + 0.5) }
	return color.RGBA{R: part(a.R, b.R), G: part(a.G, b.G), B: part(a.B, b.B), A: 255}
}

// ink is the colour of a part of a picture.
type ink int

const (
	inkText ink = iota
	inkAxis
	inkGrid
	inkWave
	inkRMS
	inkMomentary
	inkShortTerm
	inkIntegrated
	inks
)

// theme has the colour of the ground and of each ink. The inks of curves differ in lightness
// and are distinguished by people with red-green blindness.
type theme struct {
	ground hex
	inks   [inks]hex
}

var (
	lightTheme = theme{0xffffff, [inks]hex{
		inkText: 0x24292f, inkAxis: 0x8c959f, inkGrid: 0xe3e7eb, inkWave: 0x7fb3d8, inkRMS: 0x0b5a94,
		inkMomentary: 0x8dbbdc, inkShortTerm: 0x0b5a94, inkIntegrated: 0xd55e00,
	}}
	darkTheme = theme{0x12161c, [inks]hex{
		inkText: 0xd9dfe5, inkAxis: 0x6b7681, inkGrid: 0x272e36, inkWave: 0x2f6f9f, inkRMS: 0x8fd0ff,
		inkMomentary: 0x4584b3, inkShortTerm: 0x8fd0ff, inkIntegrated: 0xf2a33a,
	}}
)

// under is the ink on which an ink is drawn, for its edges; -1 is the ground.
func (i ink) under() ink {
	switch i {
	case inkRMS:
		return inkWave
	case inkShortTerm:
		return inkMomentary
	default:
		return -1
	}
}
