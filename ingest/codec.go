package ingest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"freshet/ingest/change"
	"freshet/ingest/registry"
)

// codec turns the JSON of a table's keys and envelopes into the bytes of another encoding.
type codec struct {
	key, value func(dst, json []byte) ([]byte, error)
}

// newCodec returns the codec of a table, nil where JSON travels as it is. Under Avro it registers the table's schemas.
func newCodec(ctx context.Context, config *Config, e *change.Encoder, topic string) (*codec, error) {
	switch config.Format.Encoding {
	case change.EncodingJSONSchema:
		return &codec{withSchema(e.KeySchema()), withSchema(e.EnvelopeSchema())}, nil
	case change.EncodingAvro:
		client, err := registry.New(config.Registry)
		if err != nil {
			return nil, err
		}
		key, err := withID(ctx, client, topic+"-key", e.KeySchema())
		if err != nil {
			return nil, err
		}
		value, err := withID(ctx, client, topic+"-value", e.EnvelopeSchema())
		return &codec{key, value}, err
	default:
		return nil, nil
	}
}

// withID registers a schema and puts its id before the Avro form of each value: a zero byte and four of the id.
func withID(ctx context.Context, client *registry.Client, subject string, s *change.Schema) (func(dst, json []byte) ([]byte, error), error) {
	avro, err := change.NewAvro(s)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", subject, err)
	}
	id, err := client.Register(ctx, subject, avro.Schema())
	if err != nil {
		return nil, err
	}
	return func(dst, json []byte) ([]byte, error) {
		return avro.Append(binary.BigEndian.AppendUint32(append(dst, 0), id), json)
	}, nil
}

// checkFormat refuses to go on in another format than the one that the topics hold: no reader could tell where it changed.
func checkFormat(stored *position, config *Config, resnapshot bool) error {
	if now := config.Format.String(); stored != nil && stored.Format != now && !resnapshot {
		return &RefusedError{
			Reason: fmt.Sprintf("the topics of prefix %s hold records of format %q, and this is set to write %q", config.Prefix, stored.Format, now),
			Repair: "write another format under a prefix and slot of its own, or, if every reader of the topics knows, " + repairResnapshot,
		}
	}
	return nil
}

// withSchema puts a payload beside its schema.
func withSchema(s *change.Schema) func(dst, json []byte) ([]byte, error) {
	head := append(s.AppendJSON([]byte(`{"schema":`)), `,"payload":`...)
	return func(dst, json []byte) ([]byte, error) {
		return append(append(append(dst, head...), json...), '}'), nil
	}
}

// coded holds the bytes of the record at hand.
type coded struct{ key, value []byte }

// apply encodes a record's key and value.
func (c *coded) apply(with *codec, r *record) (err error) {
	if r.key != nil {
		if c.key, err = with.key(c.key[:0], r.key); err != nil {
			return fmt.Errorf("encode the key: %w", err)
		}
		r.key = c.key
	}
	if c.value, err = with.value(c.value[:0], r.value); err != nil {
		return fmt.Errorf("encode the value: %w", err)
	}
	r.value = c.value
	return nil
}

// contextHeaders are the headers that a Debezium puts on every record of its tables: whose stream it is, and which run's.
func contextHeaders(config *Config) []recordHeader {
	if config.NoContextHeaders {
		return nil
	}
	const prefix = "__debezium.context."
	return []recordHeader{
		{prefix + "connectorLogicalName", []byte(config.Prefix)},
		{prefix + "taskId", []byte("0")},
		{prefix + "connectorName", []byte("postgresql")},
		{prefix + "runId", []byte(runID(time.Now()))},
	}
}

// runID is a UUID of version 7: random, and in the order of time.
func runID(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixMilli())<<16|uint64(binary.BigEndian.Uint16(b[6:])))
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
