package drawing

// anchor is the part of a text that is at its position.
type anchor int

const (
	left anchor = iota
	middle
	right
)

// rect is a rectangle in pixels; the right and the lower edge are outside.
type rect struct{ x, y, width, height int }

// canvas draws what a picture consists of, in pixels from the upper left corner.
type canvas interface {
	// fill fills a rectangle.
	fill(color ink, r rect)
	// band fills the area between two curves, with a value for each column from x on. Where
	// a value is NaN there is none.
	band(color ink, x int, top, bottom []float64)
	// curve draws a line through a value for each column from x on. Where a value is NaN
	// there is none.
	curve(color ink, x int, values []float64)
	// text draws a line of text whose baseline is at y.
	text(color ink, x, y int, at anchor, text string)
	// image draws the levels of a spectrogram, rows of the rectangle's width.
	image(r rect, levels []uint8)
}
