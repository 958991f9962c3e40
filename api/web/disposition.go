package web

import (
	"maps"
	"mime"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// partNames returns the field and the file name of a form's part, or empty strings. Unlike
// package mime it reads headers with unescaped quotation marks, unquoted spaces and other
// characters that the standard does not allow, because clients send them.
func partNames(header textproto.MIMEHeader) (field, file string) {
	params := headerParams(header.Get("Content-Disposition"))
	field = utf8Text(params["name"])
	if extended, ok := extendedValue(params, "name"); ok {
		field = extended
	}
	file = params["filename"]
	if decoded, err := new(mime.WordDecoder).DecodeHeader(file); err == nil {
		file = decoded
	}
	if extended, ok := extendedValue(params, "filename"); ok {
		file = extended
	}
	file = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, utf8Text(file))
	return field, file[strings.LastIndexAny(file, `/\`)+1:] // some browsers send the whole path
}

// headerParams returns the parameters of a header such as Content-Disposition by their
// names in lower case. Of equal names the first counts.
func headerParams(header string) map[string]string {
	params := make(map[string]string)
	rest := header
	if at := strings.IndexAny(header, ";="); at < 0 || header[at] == ';' {
		_, rest, _ = strings.Cut(header, ";") // without the type
	}
	for {
		rest = strings.TrimLeft(rest, "; \t")
		name, value, found := strings.Cut(rest, "=")
		if !found {
			return params
		}
		value, rest = cutValue(strings.TrimLeft(value, " \t"))
		name = strings.ToLower(strings.TrimSpace(name))
		if _, again := params[name]; !again && name != "" {
			params[name] = value
		}
	}
}

// cutValue returns the value at the beginning of a text and what follows it. A quotation
// mark ends a quoted value only if the next parameter, or nothing, follows.
func cutValue(text string) (value, rest string) {
	quoted, found := strings.CutPrefix(text, `"`)
	if !found {
		end := 0
		for end < len(text) && !endsParam(text[end:]) {
			end++
		}
		value = strings.TrimSpace(text[:end])
		if len(value) > 1 && value[0] == '\'' && value[len(value)-1] == '\'' {
			value = value[1 : len(value)-1]
		}
		return value, text[end:]
	}
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		switch {
		case quoted[i] == '\\' && i+1 < len(quoted) && (quoted[i+1] == '"' || quoted[i+1] == '\\'):
			i++
		case quoted[i] == '"' && endsParam(quoted[i+1:]):
			return b.String(), quoted[i+1:]
		}
		b.WriteByte(quoted[i])
	}
	return strings.TrimSuffix(b.String(), `"`), ""
}

// endsParam reports whether a text begins with the end of a parameter: with nothing, or
// with a semicolon before the next parameter.
func endsParam(text string) bool {
	text = strings.TrimLeft(text, " \t")
	next, found := strings.CutPrefix(text, ";")
	if !found {
		return text == ""
	}
	next = strings.TrimLeft(next, "; \t")
	name, _, found := strings.Cut(next, "=")
	isToken := func(r rune) bool {
		return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("*-_", r))
	}
	name = strings.TrimRight(name, " \t")
	return next == "" || found && name != "" && strings.TrimFunc(name, isToken) == ""
}

// extendedValue returns a parameter in the forms of RFC 5987 (name*) and RFC 2231 (name*0,
// name*1). It reports false if there is none that can be decoded.
func extendedValue(params map[string]string, name string) (string, bool) {
	if value, ok := params[name+"*"]; ok {
		return decodeExtended(value)
	}
	parts := make(map[int]string)
	encoded := false
	for param, value := range params {
		suffix, ok := strings.CutPrefix(param, name+"*")
		number, percent := strings.CutSuffix(suffix, "*")
		n, err := strconv.Atoi(number)
		if ok && err == nil {
			parts[n] = value
			encoded = encoded || percent
		}
	}
	var b strings.Builder
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		b.WriteString(parts[n])
	}
	if !encoded {
		return utf8Text(b.String()), len(parts) > 0
	}
	return decodeExtended(b.String())
}

// decodeExtended decodes a value such as UTF-8'en'na%C3%AFve.
func decodeExtended(value string) (string, bool) {
	charset, rest, _ := strings.Cut(value, "'")
	_, text, ok := strings.Cut(rest, "'")
	if !ok {
		charset, text = "", value
	}
	text, err := url.PathUnescape(text)
	if err != nil || strings.EqualFold(charset, "UTF-8") && !utf8.ValidString(text) {
		return "", false
	}
	return utf8Text(text), true
}

// utf8Text returns a text as UTF-8; other bytes are taken for Latin-1.
func utf8Text(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	runes := make([]rune, 0, len(text))
	for i := range len(text) {
		runes = append(runes, rune(text[i]))
	}
	return string(runes)
}

// splitField returns the field of a name in a form: x for x, x[] and x[0], which are one
// field; and with the key, x and a for x[a].
func splitField(sent string) (field, key string) {
	field, rest, found := strings.Cut(sent, "[")
	key, closed := strings.CutSuffix(rest, "]")
	if !found || !closed || field == "" || strings.ContainsAny(key, "[]") {
		return sent, ""
	}
	if strings.Trim(key, "0123456789") == "" {
		return field, ""
	}
	return field, key
}

// readableFormType returns the Content-Type of a form in the form that package mime reads,
// if its boundary has characters that are only allowed in quotation marks.
func readableFormType(sent string) string {
	const formType = "multipart/form-data"
	if _, _, err := mime.ParseMediaType(sent); err == nil || len(sent) < len(formType) || !strings.EqualFold(sent[:len(formType)], formType) {
		return sent
	}
	boundary := headerParams(sent)["boundary"]
	if boundary == "" || strings.ContainsAny(boundary, "\"\\\r\n") {
		return sent
	}
	return formType + `; boundary="` + boundary + `"`
}
