package drawing

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strconv"
	"strings"
)

// vector is a canvas that writes SVG. The levels of a spectrogram are embedded as PNG.
type vector struct {
	theme  theme
	colors color.Palette
	out    bytes.Buffer
	err    error
}

// newVector returns an empty canvas. colors are those of a spectrogram; nil for none.
func newVector(width, height int, th theme, colors []color.RGBA) *vector {
	v := &vector{theme: th}
	for _, c := range colors {
		v.colors = append(v.colors, c)
	}
	fmt.Fprintf(&v.out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d"`+
		` font-family="'Go', 'Helvetica Neue', Arial, sans-serif" font-size="%d">`+"\n", width, height, fontPixels)
	fmt.Fprintf(&v.out, `<rect width="%d" height="%d" fill="%s"/>`+"\n", width, height, th.ground)
	return v
}

// String returns the colour as in CSS.
func (h hex) String() string { return fmt.Sprintf("#%06x", uint32(h)) }

func (v *vector) fill(color ink, r rect) {
	fmt.Fprintf(&v.out, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", r.x, r.y, r.width, r.height, v.theme.inks[color])
}

// coordinate formats a position to a tenth of a pixel.
func coordinate(value float64) string {
	return strconv.FormatFloat(math.Round(value*10)/10, 'f', -1, 64)
}

// runs calls use for each stretch of columns without NaN.
func runs(values []float64, use func(from, to int)) {
	from := -1
	for i, value := range values {
		switch {
		case value == value && from < 0:
			from = i
		case value != value && from >= 0:
			use(from, i)
			from = -1
		}
	}
	if from >= 0 {
		use(from, len(values))
	}
}

func (v *vector) band(color ink, x int, top, bottom []float64) {
	runs(top, func(from, to int) {
		v.out.WriteString(`<path d="`)
		letter := "M"
		for i := from; i < to; i++ {
			fmt.Fprintf(&v.out, "%s%d %sh1", letter, x+i, coordinate(top[i]))
			letter = "L"
		}
		for i := to - 1; i >= from; i-- {
			fmt.Fprintf(&v.out, "L%d %sh-1", x+i+1, coordinate(bottom[i]))
		}
		fmt.Fprintf(&v.out, `z" fill="%s"/>`+"\n", v.theme.inks[color])
	})
}

func (v *vector) curve(color ink, x int, values []float64) {
	runs(values, func(from, to int) {
		v.out.WriteString(`<path d="`)
		letter := "M"
		for i := from; i < to; i++ {
			fmt.Fprintf(&v.out, "%s%d.5 %s", letter, x+i, coordinate(values[i]))
			letter = "L"
		}
		fmt.Fprintf(&v.out, `" fill="none" stroke="%s" stroke-width="%g" stroke-linejoin="round"/>`+"\n", v.theme.inks[color], lineWidth)
	})
}

// anchors are the values of text-anchor.
var anchors = map[anchor]string{left: "start", middle: "middle", right: "end"}

// escaper replaces the characters that have a meaning in XML.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func (v *vector) text(color ink, x, y int, at anchor, text string) {
	fmt.Fprintf(&v.out, `<text x="%d" y="%d" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, anchors[at], v.theme.inks[color],
		escaper.Replace(text))
}

func (v *vector) image(r rect, levels []uint8) {
	fmt.Fprintf(&v.out, `<image x="%d" y="%d" width="%d" height="%d" preserveAspectRatio="none" image-rendering="optimizeSpeed" `+
		`href="data:image/png;base64,`, r.x, r.y, r.width, r.height)
	text := base64.NewEncoder(base64.StdEncoding, &v.out)
	picture := &image.Paletted{Pix: levels, Stride: r.width, Rect: image.Rect(0, 0, r.width, r.height), Palette: v.colors}
	err := png.Encode(text, picture)
	if closed := text.Close(); err == nil {
		err = closed
	}
	if v.err == nil {
		v.err = err
	}
	v.out.WriteString(`"/>` + "\n")
}

// encode writes the picture.
func (v *vector) encode(w io.Writer) error {
	if v.err != nil {
		return v.err
	}
	v.out.WriteString("</svg>\n")
	_, err := v.out.WriteTo(w)
	return err
}
