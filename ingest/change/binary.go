package change

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

func base64Text(b []byte) string { return `"` + base64.StdEncoding.EncodeToString(b) + `"` }

func appendBase64(dst, b []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), b), '"')
}

// binary makes t a type of bytes in the format's mode; read yields the bytes of a text.
func (t *Type) binary(f *Format, read func(text []byte) ([]byte, error)) {
	encode := appendBase64
	t.zero, t.placeholder, t.schema.Kind = `""`, base64Text([]byte(Placeholder)), "string"
	switch f.Binary {
	case "base64-url-safe":
		encode = func(dst, b []byte) []byte {
			return append(base64.URLEncoding.AppendEncode(append(dst, '"'), b), '"')
		}
		t.placeholder = string(encode(nil, []byte(Placeholder)))
	case "hex":
		encode = func(dst, b []byte) []byte { return append(hex.AppendEncode(append(dst, '"'), b), '"') }
		t.placeholder = `"` + Placeholder + `"`
	case "bytes":
		t.schema.Kind = "bytes"
	}
	t.write = func(_ *Type, dst, text []byte) ([]byte, error) {
		raw, err := read(text)
		if err != nil {
			return dst, err
		}
		return encode(dst, raw), nil
	}
}

func byteaBytes(text []byte) ([]byte, error) {
	if !bytes.HasPrefix(text, []byte(`\x`)) {
		return nil, fmt.Errorf("bytea not in hexadecimal form: %.20q", text)
	}
	raw := make([]byte, hex.DecodedLen(len(text)-2))
	if _, err := hex.Decode(raw, text[2:]); err != nil {
		return nil, fmt.Errorf("bytea: %w", err)
	}
	return raw, nil
}

// textBytes is for types without a mapping.
func textBytes(text []byte) ([]byte, error) { return text, nil }

// writeBits writes a bit string as its bytes, the least significant first, without leading zeros.
func writeBits(_ *Type, dst, text []byte) ([]byte, error) {
	raw := make([]byte, (len(text)+7)/8)
	for i, c := range text {
		if c != '0' && c != '1' {
			return dst, fmt.Errorf("bit string %.20q", text)
		}
		if bit := len(text) - 1 - i; c == '1' {
			raw[bit/8] |= 1 << (bit % 8)
		}
	}
	for len(raw) > 0 && raw[len(raw)-1] == 0 {
		raw = raw[:len(raw)-1]
	}
	return appendBase64(dst, raw), nil
}
