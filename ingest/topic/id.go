package topic

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// idVersion is the first version of a Metadata request whose answer has the topics' ids. Brokers have it since Kafka 2.8.
	idVersion = 10
	idTimeout = 15 * time.Second
	// maxAnswer bounds what a broker may claim its answer takes.
	maxAnswer = 64 << 20
)

// IDs returns the ids of topics as Kafka's tools print them. They tell a topic from one that had its name and was deleted:
// offsets of the two have nothing in common. A broker that knows no ids leaves them out; a topic that is not there is an error.
func IDs(ctx context.Context, client *kafka.Client, names ...string) (map[string]string, error) {
	if len(names) == 0 { // which asks for all topics there are
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, idTimeout)
	defer cancel()
	known, err := hasIDs(ctx, client)
	if err != nil || !known {
		return nil, err
	}
	answer, err := client.Transport.RoundTrip(ctx, client.Addr, newIDRequest(names))
	if err != nil {
		return nil, fmt.Errorf("ask for the topics' ids: %w", err)
	}
	found, ok := answer.(*idResponse)
	if !ok {
		return nil, fmt.Errorf("ask for the topics' ids: the answer is a %T", answer)
	}
	ids := make(map[string]string, len(names))
	for _, t := range found.Topics {
		switch {
		case t.Topic == nil:
			continue
		case t.ErrorCode != 0:
			return nil, fmt.Errorf("id of topic %s: %w", *t.Topic, kafka.Error(t.ErrorCode))
		case t.TopicID != [16]byte{}:
			ids[*t.Topic] = base64.RawURLEncoding.EncodeToString(t.TopicID[:])
		}
	}
	return ids, nil
}

// During returns the ids that the topics have while f asks for their offsets, so that these are known to be of one topic each. One
// that is made again meanwhile is an error; the next attempt finds it made.
func During(ctx context.Context, client *kafka.Client, names []string, f func() error) (map[string]string, error) {
	before, err := IDs(ctx, client, names...)
	if err != nil {
		return nil, err
	}
	if err := f(); err != nil {
		return nil, err
	}
	after, err := IDs(ctx, client, names...)
	if err != nil {
		return nil, err
	}
	for name, id := range before {
		if after[name] != id {
			return nil, fmt.Errorf("topic %s was made again just now", name)
		}
	}
	return before, nil
}

// hasIDs says whether the brokers take the request: they close the connection on one that they don't know.
func hasIDs(ctx context.Context, client *kafka.Client) (bool, error) {
	versions, err := client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})
	if err == nil {
		err = versions.Error
	}
	if err != nil {
		return false, fmt.Errorf("ask for the brokers' versions: %w", err)
	}
	for _, v := range versions.ApiKeys {
		if v.ApiKey == int(protocol.Metadata) {
			return v.MaxVersion >= idVersion, nil
		}
	}
	return false, nil
}

// idRequest is a Metadata request of a version that kafka-go does not have, sent on kafka-go's connections. Its own Metadata
// is answered from a cache anyway, which a topic that was just made again is not in.
type idRequest struct{ kmsg.MetadataRequest }

func newIDRequest(names []string) *idRequest {
	r := &idRequest{kmsg.NewMetadataRequest()}
	r.Version = idVersion
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		r.Topics = append(r.Topics, t)
	}
	return r
}

// ApiKey names the request to kafka-go.
func (r *idRequest) ApiKey() protocol.ApiKey { return protocol.Metadata }

// Required says that kafka-go is to leave the exchange to us.
func (r *idRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange sends the request and reads its answer. A connection serves one request at a time, so any correlation id does.
func (r *idRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	const correlation = 1
	if _, err := rw.Write(kmsg.NewRequestFormatter().AppendRequest(nil, &r.MetadataRequest, correlation)); err != nil {
		return nil, err
	}
	var head [9]byte // length, correlation id, and no tags
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, err
	}
	size, id := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:])
	if size < 5 || size > maxAnswer || id != correlation || head[8] != 0 {
		return nil, fmt.Errorf("an answer of %d bytes to request %d has %d tags", size, id, head[8])
	}
	body := make([]byte, size-5)
	if _, err := io.ReadFull(rw, body); err != nil {
		return nil, err
	}
	answer := &idResponse{kmsg.NewMetadataResponse()}
	answer.SetVersion(idVersion)
	return answer, answer.ReadFrom(body)
}

type idResponse struct{ kmsg.MetadataResponse }

// ApiKey names the answer to kafka-go.
func (r *idResponse) ApiKey() protocol.ApiKey { return protocol.Metadata }
