package main

import (
	"strings"
	"testing"
)

func TestProjectorsRefuseOtherFormats(t *testing.T) {
	_, err := runWith(t, []string{"FRESHET_ENCODING=avro", "FRESHET_DECIMAL_MODE=string"}, "project", "tree")
	if err == nil || !strings.Contains(err.Error(), `not of "decimal mode=string encoding=avro"`) {
		t.Errorf("%v", err)
	}
	s := newSettings([]string{"FRESHET_SKIP_TRUNCATES=true", "FRESHET_PRESET=debezium"}, nil, nil)
	if err := s.checkRecords(); err != nil {
		t.Errorf("settings that the projectors read: %v", err)
	}
}
