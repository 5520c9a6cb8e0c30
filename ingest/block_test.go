package ingest

import (
	"errors"
	"strings"
	"testing"

	"freshet/ingest/pgoutput"
)

// TestStreamOutOfOrder stops at messages that a stream can't hold, in words that say what is wrong (pitfall 9: what is not
// understood must never be passed over).
func TestStreamOutOfOrder(t *testing.T) {
	start := func(first bool) pgoutput.Decoder {
		return pgoutput.Decoder{Kind: pgoutput.KindStreamStart, Stream: pgoutput.Stream{XID: 7, First: first}}
	}
	kind := func(k pgoutput.Kind) pgoutput.Decoder {
		return pgoutput.Decoder{Kind: k, Stream: pgoutput.Stream{XID: 7, SubXID: 8}, Prepared: pgoutput.Prepared{GID: "gid-1"}}
	}
	tests := map[string]struct {
		messages []pgoutput.Decoder
		want     string
	}{
		"goes on without a beginning": {[]pgoutput.Decoder{start(false)}, "goes on without having begun"},
		"begins twice":                {[]pgoutput.Decoder{start(true), kind(pgoutput.KindStreamStop), start(true)}, "begins a second time"},
		"block in a block":            {[]pgoutput.Decoder{start(true), start(true)}, "begins inside another transaction"},
		"transaction in a block":      {[]pgoutput.Decoder{start(true), kind(pgoutput.KindBegin)}, "begins inside another"},
		"end without a block":         {[]pgoutput.Decoder{kind(pgoutput.KindStreamStop)}, "ends that did not begin"},
		"abort of nothing":            {[]pgoutput.Decoder{kind(pgoutput.KindStreamAbort)}, "is aborted without having begun"},
		"commit of nothing":           {[]pgoutput.Decoder{kind(pgoutput.KindStreamCommit)}, "commits without having begun"},
		"unknown kind":                {[]pgoutput.Decoder{kind('z')}, "does not belong here"},
		"begin prepare":               {[]pgoutput.Decoder{kind(pgoutput.KindBeginPrepare)}, "use a slot without two_phase"},
		"prepare":                     {[]pgoutput.Decoder{kind(pgoutput.KindPrepare)}, "without two_phase"},
		"stream prepare":              {[]pgoutput.Decoder{kind(pgoutput.KindStreamPrepare)}, "without two_phase"},
		"commit prepared":             {[]pgoutput.Decoder{kind(pgoutput.KindCommitPrepared)}, "without two_phase"},
		"rollback prepared":           {[]pgoutput.Decoder{kind(pgoutput.KindRollbackPrepared)}, "without two_phase"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &stream{spool: newTestSpool(t, chunkSize)}
			var err error
			for i := range test.messages {
				if err != nil {
					t.Fatalf("message %d: %v", i-1, err)
				}
				s.decoder = &test.messages[i]
				err = s.handle(t.Context(), 1)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			var refused *RefusedError
			if got := errors.As(err, &refused); got != strings.Contains(test.want, "two_phase") {
				t.Errorf("refused for good: %v", got)
			}
		})
	}
}

func TestPluginOptions(t *testing.T) {
	tests := map[string]struct {
		config Config
		major  int
		want   string // or a part of the error
	}{
		"default":      {Config{}, 17, `proto_version '2', streaming 'on', publication_names '"freshet"', messages 'true'`},
		"version 1":    {Config{Streaming: "off"}, 17, `proto_version '1', publication_names '"freshet"', messages 'true'`},
		"quoted":       {Config{Publication: `a"b'c`}, 17, `proto_version '2', streaming 'on', publication_names '"a""b''c"', messages 'true'`},
		"no origin":    {Config{Origin: "none"}, 16, `proto_version '2', streaming 'on', publication_names '"freshet"', messages 'true', origin 'none'`},
		"origin on 15": {Config{Origin: "none"}, 15, "set --origin any, or upgrade"},
		"13":           {Config{}, 13, "set --streaming off, or upgrade"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.config.setDefaults()
			got, err := pluginOptions(&test.config, test.major)
			if err != nil {
				got = err.Error()
			}
			if got != test.want && (err == nil || !strings.Contains(got, test.want)) {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}
