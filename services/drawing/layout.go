package drawing

import "strconv"

// Margins around the panels of a picture with axes, in pixels.
const (
	leftMargin   = 52
	rightMargin  = 30
	barMargin    = 84 // on the right of a spectrogram, for the bar of colours
	topMargin    = 24
	bottomMargin = 42
	panelGap     = 24
	tickLength   = 4
	barWidth     = 12
	lineHeight   = 14
)

// Plot is one panel of a picture.
type Plot struct {
	// X, Y, Width and Height of the panel within the axes, in pixels from the upper left corner
	// of the picture.
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
	// Channel is the number of the channel from 1, or 0 for all channels together.
	Channel int  `json:"channel"`
	XAxis   Axis `json:"x_axis"`
	YAxis   Axis `json:"y_axis"`
}

func (p Plot) area() rect { return rect{p.X, p.Y, p.Width, p.Height} }

// plots returns the panels of a picture, or an error if it is too small for them.
func (c *Config) plots() ([]Plot, error) {
	count := c.panels()
	across, down, gap, x, y := c.Width, c.Height, 0, 0, 0
	if !c.Bare {
		across -= leftMargin + rightMargin
		if c.Kind == Spectrogram {
			across -= barMargin - rightMargin
		}
		down -= topMargin + bottomMargin + panelGap*(count-1)
		gap, x, y = panelGap, leftMargin, topMargin
	}
	if across < minPlot {
		return nil, invalidf("width", "must be at least %d pixels for a picture with axes, got %d", c.Width-across+minPlot, c.Width)
	}
	height := down / count
	if down < minPlot*count {
		return nil, invalidf("height", "must be at least %d pixels for %d panels, got %d", c.Height-down+minPlot*count, count, c.Height)
	}
	axis := Axis{From: -1, To: 1, Unit: "amplitude", Scale: Linear}
	switch c.Kind {
	case Spectrogram:
		axis = Axis{From: c.MinHz, To: c.MaxHz, Unit: "Hz", Scale: c.Scale}
	case Loudness:
		axis = Axis{From: c.FloorDB, To: c.CeilingDB, Unit: "LUFS", Scale: Linear}
	case Waveform:
	}
	list := make([]Plot, count)
	for i := range list {
		list[i] = Plot{
			X: x, Y: y + i*(height+gap), Width: across, Height: height, Channel: i + 1,
			XAxis: Axis{From: c.Start, To: c.Start + c.duration(), Unit: "s", Scale: Linear}, YAxis: axis,
		}
		if count == 1 && c.Channels > 1 {
			list[i].Channel = 0
		}
	}
	list[count-1].Height = down - height*(count-1) // what the division leaves
	return list, nil
}

// frame draws the axes of all panels. The ground is drawn already.
func (c *Config) frame(on canvas, plots []Plot) {
	for i, p := range plots {
		c.frameLeft(on, p)
		c.frameBottom(on, p, i == len(plots)-1)
		title := ""
		switch {
		case p.Channel > 0 && c.Channels == 2:
			title = []string{"Left", "Right"}[p.Channel-1]
		case p.Channel > 0 && c.Channels > 2:
			title = "Channel " + strconv.Itoa(p.Channel)
		}
		on.text(inkText, p.X, p.Y-8, left, title)
		// The lines of the axes are outside of the panel.
		on.fill(inkAxis, rect{p.X - 1, p.Y, 1, p.Height + 1})
		on.fill(inkAxis, rect{p.X, p.Y + p.Height, p.Width, 1})
	}
}

// yTicks returns the ticks of the vertical axis of a panel.
func (c *Config) yTicks(p Plot) []tick {
	if c.Kind == Spectrogram {
		return hertzTicks(p.YAxis, p.Height)
	}
	return levelTicks(p.YAxis, p.Height)
}

func (c *Config) frameLeft(on canvas, p Plot) {
	on.text(inkText, p.X-tickLength-3, p.Y-8, right, map[Kind]string{Waveform: "", Spectrogram: "Hz", Loudness: "LUFS"}[c.Kind])
	for _, t := range c.yTicks(p) {
		y := p.Y + min(p.Height-1, int((1-t.at)*float64(p.Height)))
		on.fill(inkAxis, rect{p.X - 1 - tickLength, y, tickLength, 1})
		on.text(inkText, p.X-tickLength-4, y+4, right, t.label)
	}
}

func (c *Config) frameBottom(on canvas, p Plot, last bool) {
	ticks, title := timeTicks(p.XAxis, p.Width)
	y := p.Y + p.Height + 1
	for _, t := range ticks {
		x := p.X + min(p.Width-1, int(t.at*float64(p.Width)))
		on.fill(inkAxis, rect{x, y, 1, tickLength})
		if last {
			on.text(inkText, x, y+tickLength+lineHeight-2, middle, t.label)
		}
	}
	if last {
		on.text(inkText, p.X+p.Width/2, y+tickLength+2*lineHeight, middle, title)
	}
}

// grid draws lines at the ticks of a panel, below its curves.
func (c *Config) grid(on canvas, p Plot) {
	for _, t := range c.yTicks(p) {
		on.fill(inkGrid, rect{p.X, p.Y + min(p.Height-1, int((1-t.at)*float64(p.Height))), p.Width, 1})
	}
	ticks, _ := timeTicks(p.XAxis, p.Width)
	for _, t := range ticks {
		on.fill(inkGrid, rect{p.X + min(p.Width-1, int(t.at*float64(p.Width))), p.Y, 1, p.Height})
	}
}

// bar draws the colours of the levels beside a panel of a spectrogram.
func (c *Config) bar(on canvas, p Plot) {
	area := rect{p.X + p.Width + 16, p.Y, barWidth, p.Height}
	pixels := make([]uint8, area.width*area.height)
	for y := range area.height {
		level := uint8((area.height - 1 - y) * (levels - 1) / max(1, area.height-1))
		for x := range area.width {
			pixels[y*area.width+x] = level
		}
	}
	on.image(area, pixels)
	axis := Axis{From: c.FloorDB, To: c.CeilingDB, Scale: Linear}
	for _, t := range levelTicks(axis, p.Height) {
		y := p.Y + min(p.Height-1, int((1-t.at)*float64(p.Height)))
		on.fill(inkAxis, rect{area.x + area.width, y, tickLength, 1})
		on.text(inkText, area.x+area.width+tickLength+3, y+4, left, t.label)
	}
	on.text(inkText, area.x, p.Y-8, left, "dBFS")
}
