package web

import (
	"net/textproto"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOddPartHeaders has the headers of parts that clients write by hand or by libraries of
// another age.
func TestOddPartHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ header, field, file string }{
		{`form-data; name="file"; filename="speech.wav"`, "file", "speech.wav"},
		{`form-data; name="file"; filename="the "best" take.wav"`, "file", `the "best" take.wav`},
		{`form-data; name="file"; filename=""best" take.wav"`, "file", `"best" take.wav`},
		{`form-data; name="file"; filename="a "b""`, "file", `a "b"`},
		{`form-data; name="file"; filename="x"; y.wav"`, "file", `x"; y.wav`},
		{`form-data; name="file"; filename="the \"best\" take.wav"`, "file", `the "best" take.wav`},
		{`form-data; filename="the "best" take.wav"; name="file"`, "file", `the "best" take.wav`},
		{`form-data; name="file"; filename="never closed.wav`, "file", "never closed.wav"},
		{"form-data; name=\"file\"; filename=stimme-ü.wav", "file", "stimme-ü.wav"},
		{"form-data; name=\"file\"; filename=\"stimme-ü.wav\"", "file", "stimme-ü.wav"},
		{"form-data; name=\"file\"; filename=\"stimme-\xfc.wav\"", "file", "stimme-ü.wav"},
		{"form-data; name=\"file\"; filename=\"録音 1.wav\"", "file", "録音 1.wav"},
		{`form-data; name=file; filename=my new take.wav`, "file", "my new take.wav"},
		{`form-data; name=file; filename=my take; 2.wav`, "file", "my take; 2.wav"},
		{`form-data; filename=my take.wav; name=file`, "file", "my take.wav"},
		{`form-data;name="file";filename="speech.wav"`, "file", "speech.wav"},
		{`form-data ; name = "file" ; filename = "speech.wav" ;`, "file", "speech.wav"},
		{`FORM-DATA; NAME="file"; FileName="speech.wav"`, "file", "speech.wav"},
		{`attachment; name="file"; filename="speech.wav"`, "file", "speech.wav"},
		{`name="file"; filename="speech.wav"`, "file", "speech.wav"},
		{`form-data; name='file'; filename='speech.wav'`, "file", "speech.wav"},
		{`form-data; name="file"; filename*=UTF-8''stimme-%C3%BC.wav`, "file", "stimme-ü.wav"},
		{`form-data; name="file"; filename="stimme-?.wav"; filename*=utf-8'de'stimme-%C3%BC.wav`, "file", "stimme-ü.wav"},
		{`form-data; name="file"; filename*="UTF-8''stimme-%C3%BC.wav"`, "file", "stimme-ü.wav"},
		{`form-data; name="file"; filename*=ISO-8859-1''stimme-%FC.wav; filename="x.wav"`, "file", "stimme-ü.wav"},
		{`form-data; name="file"; filename*=UTF-8''%ZZ; filename="x.wav"`, "file", "x.wav"},
		{`form-data; name="file"; filename*=stimme.wav`, "file", "stimme.wav"},
		{`form-data; name="file"; filename*0="stim"; filename*1="me.wav"`, "file", "stimme.wav"},
		{`form-data; name="file"; filename*0*=UTF-8''stimme-%C3; filename*1*=%BC.wav`, "file", "stimme-ü.wav"},
		{`form-data; name="file"; filename="=?UTF-8?B?c3RpbW1lLcO8Lndhdg==?="`, "file", "stimme-ü.wav"},
		{`form-data; name="file"; filename="=?UTF-8?Q?stimme-=C3=BC.wav?="`, "file", "stimme-ü.wav"},
		{`form-data; name="file"; filename="C:\Users\me\take.wav"`, "file", "take.wav"},
		{`form-data; name="file"; filename="C:\\Users\\me\\take.wav"`, "file", "take.wav"},
		{`form-data; name="file"; filename="../../etc/passwd"`, "file", "passwd"},
		{`form-data; name="file"; filename=""`, "file", ""},
		{`form-data; name="file"; filename=`, "file", ""},
		{`form-data; name="model"`, "model", ""},
		{`form-data; name="the "model""`, `the "model"`, ""},
		{`form-data; filename="speech.wav"`, "", "speech.wav"},
		{`form-data`, "", ""},
		{``, "", ""},
		{`;;;=;="`, "", ""},
	} {
		field, file := partNames(textproto.MIMEHeader{"Content-Disposition": {c.header}})
		require.Equal(t, c.field, field, c.header)
		require.Equal(t, c.file, file, c.header)
	}
	field, file := partNames(nil)
	require.Empty(t, field+file)
}

func TestNamesOfFormFields(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string][2]string{
		"x": {"x"}, "x[]": {"x"}, "x[0]": {"x"}, "x[12]": {"x"}, "x[a]": {"x", "a"}, "x[a_b]": {"x", "a_b"}, "x.a": {"x.a"},
		"": {""}, "[]": {"[]"}, "x[": {"x["}, "x]": {"x]"}, "x[a][b]": {"x[a][b]"}, "x[][]": {"x[][]"}, "x[-1]": {"x", "-1"},
	} {
		field, key := splitField(sent)
		require.Equal(t, want, [2]string{field, key}, sent)
	}
}

func TestBoundariesOfForms(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		`multipart/form-data; boundary=x`:                   `multipart/form-data; boundary=x`,
		`multipart/form-data; boundary=----=_Part_1:2`:      `multipart/form-data; boundary="----=_Part_1:2"`,
		`multipart/form-data;boundary=a b`:                  `multipart/form-data; boundary="a b"`,
		`multipart/form-data; charset=utf-8; boundary=a/b;`: `multipart/form-data; boundary="a/b"`,
		`Multipart/Form-Data; Boundary=a=b`:                 `multipart/form-data; boundary="a=b"`,
		`multipart/form-data`:                               `multipart/form-data`,
		`multipart/form-data; boundary=`:                    `multipart/form-data; boundary=`,
		`application/json; charset=utf-8`:                   `application/json; charset=utf-8`,
		`application/json;;`:                                `application/json;;`,
		``:                                                  ``,
	} {
		require.Equal(t, want, readableFormType(sent), sent)
	}
}
