package web

import (
	"encoding/base64"
	"io"
	"net/textproto"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzPartNames reads arbitrary headers of parts, and names in quotation marks as clients
// write them, which come back unchanged.
func FuzzPartNames(f *testing.F) {
	for _, header := range []string{
		`form-data; name="file"; filename="x.wav"`, `form-data; name="a"; filename="the "best" take.wav"`, "form-data; filename*=UTF-8''%C3%BC",
		`form-data; filename*0="a"; filename*1*=UTF-8''%20`, `;;=";`, "form-data; name=a b; filename=\xff;x",
	} {
		f.Add(header, "file", "x.wav")
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	f.Fuzz(func(t *testing.T, header, field, file string) {
		name, got := partNames(textproto.MIMEHeader{"Content-Disposition": {header}})
		if !utf8.ValidString(name) || !utf8.ValidString(got) ||
			strings.ContainsAny(got, `/\`) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q: %q %q", header, name, got)
		}
		splitField(name)
		readableFormType(header)
		if !utf8.ValidString(field) || !utf8.ValidString(file) ||
			strings.ContainsFunc(field+file, unicode.IsControl) || strings.Contains(file, "=?") {
			return
		}
		header = `form-data; name="` + escape.Replace(field) + `"; filename="` + escape.Replace(file) + `"`
		name, got = partNames(textproto.MIMEHeader{"Content-Disposition": {header}})
		if name != field || got != file[strings.LastIndexAny(file, `/\`)+1:] {
			t.Errorf("%s: %q %q", header, name, got)
		}
	})
}

// FuzzDecodeBase64 decodes arbitrary texts, and every encoding of a recording to itself.
func FuzzDecodeBase64(f *testing.F) {
	for _, text := range []string{"c291bmQ=", "data:audio/wav;base64,c291bmQ",
		"data:,a%20b", "data:;base64,%2B", "data:", "-_", "%%%", "data:x,%zz"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := io.ReadAll(DecodeBase64(text)); err != nil && Base64Problem(err) == "" {
			t.Errorf("%q: %v is not explained", text, err)
		}
		for _, encoded := range []string{
			base64.StdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text)),
			"data:audio/wav;base64," + base64.StdEncoding.EncodeToString([]byte(text)),
		} {
			got, err := io.ReadAll(DecodeBase64(encoded))
			if err != nil || string(got) != text {
				t.Errorf("%s: %q %v", encoded, got, err)
			}
		}
	})
}
