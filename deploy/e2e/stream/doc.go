// Package stream holds the proof of ingest: a nemesis writes to a Postgres of the test's own, everything between it and
// Kafka is killed, stopped, cut off or slowed down, and what lies on the topics is compared with what Postgres itself
// noted, transaction by transaction (package ingest/validator). It has no code of its own; nothing imports it.
package stream
