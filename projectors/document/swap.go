package document

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
)

// ErrConflict is in the error of a swap that found another revision than the caller's.
var ErrConflict = errors.New("somebody else changed a document")

// Change is a document to store, already with its new revision, in place of revision Rev; 0 for one that must not exist.
type Change[T any] struct {
	Doc *T
	Rev int64
}

// abortTimeout bounds the clean-up of a transaction whose context has ended.
const abortTimeout = 5 * time.Second

// Swap stores the changes, each only in place of the revision it names. After an error some may be stored and some not (in
// one transaction all or none, but a lost connection hides which), so the caller loads them again.
func (c *Collection[K, T]) Swap(ctx context.Context, changes []Change[T]) error {
	if len(changes) == 0 {
		return nil
	}
	models := make([]mongo.WriteModel, len(changes))
	for i, ch := range changes {
		if ch.Rev == 0 {
			models[i] = mongo.NewInsertOneModel().SetDocument(ch.Doc)
			continue
		}
		filter := bson.D{{Key: "_id", Value: *c.id(ch.Doc)}, {Key: "rev", Value: ch.Rev}}
		models[i] = mongo.NewReplaceOneModel().SetFilter(filter).SetReplacement(ch.Doc)
	}
	if len(changes) == 1 || c.config.Plain {
		return c.bulk(ctx, models, false)
	}
	return c.transact(ctx, models)
}

// bulk writes and compares what was written with what was asked for: a replace that matches nothing is no error to MongoDB.
func (c *Collection[K, T]) bulk(ctx context.Context, models []mongo.WriteModel, ordered bool) error {
	result, err := c.mongo.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(ordered))
	if err != nil {
		return fmt.Errorf("swap %d documents of %s: %w", len(models), c.mongo.Name(), err)
	}
	if stored := result.InsertedCount + result.MatchedCount; stored != int64(len(models)) {
		return fmt.Errorf("swap %d documents of %s, %d stored: %w", len(models), c.mongo.Name(), stored, ErrConflict)
	}
	return nil
}

// transact writes all in one transaction, or nothing. WithTransaction is no use here: it would repeat the same swap where
// the document has to be loaded and folded again.
func (c *Collection[K, T]) transact(ctx context.Context, models []mongo.WriteModel) error {
	session, err := c.mongo.Database().Client().StartSession()
	if err != nil {
		return fmt.Errorf("start a session: %w", err)
	}
	defer session.EndSession(context.WithoutCancel(ctx))
	concerns := options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(majority()).SetReadPreference(readpref.Primary())
	if err := session.StartTransaction(concerns); err != nil {
		return fmt.Errorf("start a transaction: %w", err)
	}
	err = c.bulk(mongo.NewSessionContext(ctx, session), models, true)
	if err == nil {
		if err = session.CommitTransaction(ctx); err == nil {
			return nil
		}
		return fmt.Errorf("commit %d documents of %s: %w", len(models), c.mongo.Name(), err)
	}
	abort, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	if abortErr := session.AbortTransaction(abort); abortErr != nil && !passing(abortErr) {
		return errors.Join(err, fmt.Errorf("abort the transaction: %w", abortErr))
	}
	return err
}

// Codes of the server that mean: try again. By number, since message texts differ between servers and versions.
const (
	codeDuplicateKey         = 11000
	codeWriteConflict        = 112
	codeNoSuchTransaction    = 251
	codeTransactionCommitted = 256
	codeLockTimeout          = 24
	codeExceededTimeLimit    = 262
	codeMaxTimeExpired       = 50
	codeWriteConcernTimeout  = 64
)

// lostRace says whether an error means that somebody else was faster.
func lostRace(err error) bool {
	var server mongo.ServerError
	return errors.Is(err, ErrConflict) || mongo.IsDuplicateKeyError(err) || (errors.As(err, &server) && server.HasErrorCode(codeWriteConflict))
}

// passing says whether an error is a lost race or may pass: the caller loads, folds and tries again.
func passing(err error) bool {
	if errors.Is(err, ErrConflict) || mongo.IsNetworkError(err) || mongo.IsTimeout(err) || lostConnection(err) {
		return true
	}
	var labeled mongo.LabeledError
	if errors.As(err, &labeled) {
		for _, label := range []string{"TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError", "RetryableError"} {
			if labeled.HasErrorLabel(label) {
				return true
			}
		}
	}
	var server mongo.ServerError
	if errors.As(err, &server) {
		for _, code := range server.ErrorCodes() {
			switch code {
			case codeDuplicateKey, codeWriteConflict, codeNoSuchTransaction, codeTransactionCommitted,
				codeLockTimeout, codeExceededTimeLimit, codeMaxTimeExpired, codeWriteConcernTimeout:
				return true
			case 6, 7, 89, 91, 189, 9001, 10107, 11600, 11602, 13435, 13436: // host, network, or not the primary just now
				return true
			}
		}
	}
	return false
}

// lostConnection says whether a connection broke or could not be had. Not all such errors carry the driver's network label:
// one that breaks while it is opened doesn't, nor does the error of those who waited for a connection of the same pool.
func lostConnection(err error) bool {
	var pool interface{ Retryable() bool }
	if errors.As(err, &pool) && pool.Retryable() {
		return true
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
