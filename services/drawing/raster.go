package drawing

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// shades is the number of steps between the ground and an ink at its edges; the last one is
// the ink itself.
const shades = 5

// fontPixels is the size of the text.
const fontPixels = 12

// raster is a canvas of pixels with a palette: the ground, the colours of a spectrogram if
// there is one, and the shades of each ink.
type raster struct {
	picture *image.Paletted
	first   int // index of the first shade
	face    font.Face
}

// typeface parses the font once.
var typeface = sync.OnceValues(func() (*opentype.Font, error) { return opentype.Parse(goregular.TTF) })

// newRaster returns an empty canvas. colors are those of a spectrogram; nil for none.
func newRaster(width, height int, th theme, colors []color.RGBA) (*raster, error) {
	parsed, err := typeface()
	if err != nil {
		return nil, fmt.Errorf("font: %w", err)
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: fontPixels, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, fmt.Errorf("font: %w", err)
	}
	palette := color.Palette{th.ground.rgb()}
	for _, c := range colors {
		palette = append(palette, c)
	}
	first := len(palette)
	for i := range inks {
		if colors != nil && i > inkAxis {
			break // a spectrogram has no curves
		}
		base := th.ground
		if under := i.under(); under >= 0 {
			base = th.inks[under]
		}
		for s := 1; s <= shades; s++ {
			palette = append(palette, blend(base.rgb(), th.inks[i].rgb(), float64(s)/shades))
		}
	}
	return &raster{picture: image.NewPaletted(image.Rect(0, 0, width, height), palette), first: first, face: face}, nil
}

// index returns the palette's index of an ink with a coverage from 0 to 1, and false for
// none.
func (r *raster) index(color ink, coverage float64) (uint8, bool) {
	shade := int(min(1, coverage)*shades + 0.5)
	return uint8(r.first + int(color)*shades + shade - 1), shade > 0
}

func (r *raster) fill(color ink, area rect) {
	index, _ := r.index(color, 1)
	for y := area.y; y < area.y+area.height; y++ {
		row := r.picture.Pix[y*r.picture.Stride:][:r.picture.Stride]
		for x := area.x; x < area.x+area.width; x++ {
			row[x] = index
		}
	}
}

func (r *raster) band(color ink, x int, top, bottom []float64) {
	for i := range top {
		r.column(color, x+i, top[i], bottom[i])
	}
}

// column fills a part of one column, whose ends may be fractions of a pixel.
func (r *raster) column(color ink, x int, top, bottom float64) {
	if !(bottom > top) { // NaN too
		return
	}
	height := r.picture.Rect.Dy()
	for y := max(0, int(math.Floor(top))); y < height && float64(y) < bottom; y++ {
		coverage := min(bottom, float64(y+1)) - max(top, float64(y))
		if index, some := r.index(color, coverage); some {
			r.picture.Pix[y*r.picture.Stride+x] = index
		}
	}
}

// lineWidth is the width of curves in pixels.
const lineWidth = 1.5

func (r *raster) curve(color ink, x int, values []float64) {
	for i, v := range values {
		top, bottom := v, v
		if i > 0 { // a column reaches halfway to its neighbours
			if half := (values[i-1] + v) / 2; half == half {
				top, bottom = min(top, half), max(bottom, half)
			}
		}
		if i+1 < len(values) {
			if half := (values[i+1] + v) / 2; half == half {
				top, bottom = min(top, half), max(bottom, half)
			}
		}
		r.column(color, x+i, top-lineWidth/2, bottom+lineWidth/2)
	}
}

func (r *raster) text(color ink, x, y int, at anchor, text string) {
	width := font.MeasureString(r.face, text).Ceil()
	switch at {
	case middle:
		x -= width / 2
	case right:
		x -= width
	case left:
	}
	mask := image.NewAlpha(image.Rect(x, y-fontPixels-2, x+width+2, y+fontPixels/2).Intersect(r.picture.Rect))
	drawer := font.Drawer{Dst: mask, Src: image.Opaque, Face: r.face, Dot: fixed.P(x, y)}
	drawer.DrawString(text)
	for py := mask.Rect.Min.Y; py < mask.Rect.Max.Y; py++ {
		for px := mask.Rect.Min.X; px < mask.Rect.Max.X; px++ {
			if index, some := r.index(color, float64(mask.AlphaAt(px, py).A)/255); some {
				r.picture.Pix[py*r.picture.Stride+px] = index
			}
		}
	}
}

func (r *raster) image(area rect, levels []uint8) {
	for y := range area.height {
		row := r.picture.Pix[(area.y+y)*r.picture.Stride+area.x:][:area.width]
		for x, level := range levels[y*area.width:][:area.width] {
			row[x] = 1 + level
		}
	}
}

// encode writes the picture as PNG.
func (r *raster) encode(w io.Writer) error {
	encoder := png.Encoder{}
	if len(r.picture.Pix) > MaxPixels/4 {
		encoder.CompressionLevel = png.BestSpeed
	}
	return encoder.Encode(w, r.picture)
}
