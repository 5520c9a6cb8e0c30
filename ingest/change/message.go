package change

import (
	"encoding/base64"
	"strconv"
)

// MessageCollection is the name under which a transaction counts its logical messages, as Debezium has it.
const MessageCollection = "LOGICAL_DECODING_MESSAGE"

// AppendMessageKey appends the key of a logical message.
func AppendMessageKey(dst, prefix []byte) []byte {
	return append(AppendString(append(dst, `{"prefix":`...), prefix), '}')
}

// AppendMessage appends the record value of a logical message. The encoder is one without schema and table.
func (e *Encoder) AppendMessage(dst []byte, m *Meta, prefix, content []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"op":"m","ts_ms":`...), m.Now.UnixMilli(), 10)
	dst = e.appendSource(append(dst, ','), m)
	dst = m.Transaction.append(append(dst, `,"transaction":`...))
	dst = AppendString(append(dst, `,"message":{"prefix":`...), prefix)
	dst = base64.StdEncoding.AppendEncode(append(dst, `,"content":"`...), content)
	return append(dst, `"}}`...)
}

// AppendSource appends the source block of a change, `"source":{…}`, for records of another form than the envelope.
func (e *Encoder) AppendSource(dst []byte, m *Meta) []byte { return e.appendSource(dst, m) }
