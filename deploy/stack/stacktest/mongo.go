package stacktest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Mongo returns the server's URI and the name of a database that no other test
// uses; it is dropped at the end. The server is MongoDB or the stand-in that
// speaks its protocol, so a test may ask for nothing the stand-in lacks.
func Mongo(t testing.TB) (uri, database string) {
	t.Helper()
	uri = withoutDatabase(address(t, "FRESHET_TEST_MONGO_URL"))
	database = randomName(t)
	cleanup(t, "database "+database, func(ctx context.Context) error {
		client, err := mongo.Connect(options.Client().ApplyURI(uri))
		if err != nil {
			return err
		}
		return errors.Join(client.Database(database).Drop(ctx), client.Disconnect(ctx))
	})
	return uri, database
}

// MongoDatabase returns a database that no other test uses, as Mongo names it, open until the test ends.
func MongoDatabase(t testing.TB) *mongo.Database {
	t.Helper()
	uri, name := Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	cleanup(t, "connection to "+name, client.Disconnect)
	return client.Database(name)
}

// withoutDatabase takes the database off a URI, if it names one; a test that needs the URI of its own database puts that
// in. A list of hosts is nothing for net/url, so the text is cut.
func withoutDatabase(uri string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	base, query, found := strings.Cut(rest, "?")
	hosts, _, _ := strings.Cut(base, "/")
	if found {
		query = "?" + query
	}
	return scheme + "://" + hosts + "/" + query
}
