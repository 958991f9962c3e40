package web

import (
	"mime"
	"strconv"
	"strings"
)

// Negotiate returns the index of the media type that an Accept header prefers (RFC 9110,
// section 12.5.1), the first of equals, or -1 if it accepts none. Without a header every
// type is acceptable.
func Negotiate(accept []string, offers []string) int {
	ranges := mediaRanges(strings.Join(accept, ","))
	if len(ranges) == 0 {
		ranges = []mediaRange{{name: "*/*", quality: 1}}
	}
	best, most := -1, 0.0
	for i, offer := range offers {
		if quality := qualityOf(ranges, offer); quality > most {
			best, most = i, quality
		}
	}
	return best
}

// mediaRange is one element of an Accept header.
type mediaRange struct {
	name    string
	quality float64
}

// mediaRanges parses a header; malformed elements are skipped. Parameters other than q are
// ignored.
func mediaRanges(header string) (ranges []mediaRange) {
	for _, part := range strings.Split(header, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		quality := 1.0
		if text, ok := params["q"]; ok {
			if quality, err = strconv.ParseFloat(text, 64); err != nil || !(quality >= 0 && quality <= 1) {
				continue
			}
		}
		ranges = append(ranges, mediaRange{name, quality})
	}
	return ranges
}

// qualityOf returns the quality of a media type by the most specific range that matches it.
func qualityOf(ranges []mediaRange, offer string) float64 {
	offer, _, _ = strings.Cut(offer, ";")
	kind, _, _ := strings.Cut(offer, "/")
	for _, name := range []string{offer, kind + "/*", "*/*"} {
		for _, r := range ranges {
			if r.name == name {
				return r.quality
			}
		}
	}
	return 0
}
