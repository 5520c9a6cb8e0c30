package read

import (
	"bytes"
	"strconv"

	"freshet/api"
)

// object is a JSON object that is written member by member, most of which are JSON already. It keeps the first error, so
// that who writes can ask once.
type object struct {
	json []byte
	err  error
}

// newObject makes room for members of that size and some small ones.
func newObject(size int) *object { return &object{json: append(make([]byte, 0, size+512), '{')} }

// comma goes before everything but what is first in its object or list.
func (o *object) comma() {
	if last := o.json[len(o.json)-1]; last != '{' && last != '[' {
		o.json = append(o.json, ',')
	}
}

func (o *object) name(name string) {
	o.comma()
	o.json = append(append(append(o.json, '"'), name...), `":`...)
}

// text writes a member whose value is JSON.
func (o *object) text(name string, value []byte) {
	o.name(name)
	o.json = append(o.json, value...)
}

// value writes a member whose value is encoded.
func (o *object) value(name string, value any) {
	text, err := api.Encode(value)
	if err != nil && o.err == nil {
		o.err = err
	}
	o.text(name, bytes.TrimSuffix(text, []byte("\n")))
}

// list writes a member that is a list, of what write writes.
func (o *object) list(name string, write func()) {
	o.name(name)
	o.json = append(o.json, '[')
	write()
	o.json = append(o.json, ']')
}

// element writes an object into a list.
func (o *object) element(write func()) {
	o.comma()
	o.json = append(o.json, '{')
	write()
	o.json = append(o.json, '}')
}

// next writes where a page goes on, in the same language; nothing behind its last part.
func (o *object) next(page, lang string, part int) {
	if part != 0 {
		o.value("next", page+"/parts/"+strconv.Itoa(part)+"?lang="+lang)
	}
}

// answer ends the object, with a newline as every answer.
func (o *object) answer(lang string) (response, error) {
	return response{document: text(append(o.json, "}\n"...)), lang: lang}, o.err
}

// text is a document that is JSON already.
type text []byte
