package stack

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/process"
	"freshet/deploy/stack/progress"
)

const (
	nameMongo = "mongodb"
	// replicaSet is the name of the one-node set that a mongod is made to be:
	// transactions need a set.
	replicaSet = "freshet"
	// transactionLimit is how many seconds a transaction may stay open. A projector that dies within one leaves its
	// documents locked for that long, and the default is a minute; ours take milliseconds.
	transactionLimit = 5
)

func (s *Stack) mongo() server {
	return server{
		name:     nameMongo,
		external: s.cfg.Mongo,
		ports:    []process.Port{{Number: s.cfg.Ports.Mongo, Setting: "FRESHET_MONGO_PORT"}},
		tools:    s.mongoTools,
		install:  s.installMongo,
		spec:     s.mongoSpec,
		ready:    s.mongoReady,
	}
}

// installedStandIn returns the directory of a stand-in that is in the cache.
func (s *Stack) installedStandIn() (dir string, ok bool) {
	for _, program := range []artifact.Artifact{artifact.SecantusFromSource(), artifact.SecantusFromWheel()} {
		if program.Installed(s.cfg.Cache) {
			return program.Dir(s.cfg.Cache), true
		}
	}
	return "", false
}

func (s *Stack) mongoTools(ctx context.Context) []artifact.Tool {
	if _, ok := s.installedStandIn(); ok || lookPath("mongod") != "" {
		return nil
	}
	if artifact.HasCargo(ctx) {
		return artifact.SecantusFromSource().Tools
	}
	return artifact.SecantusFromWheel().Tools
}

// installMongo prefers a real mongod; its directory is then empty. The stand-in is
// built where there is a recent cargo, else an older build of it is downloaded.
func (s *Stack) installMongo(ctx context.Context, task *progress.Task) (string, error) {
	if lookPath("mongod") != "" {
		return "", nil
	}
	if dir, ok := s.installedStandIn(); ok {
		return dir, nil
	}
	if !artifact.HasCargo(ctx) {
		return artifact.Install(ctx, s.cfg.Cache, artifact.SecantusFromWheel(), task)
	}
	dir, err := artifact.Install(ctx, s.cfg.Cache, artifact.SecantusFromSource(), task)
	if err == nil || ctx.Err() != nil {
		return dir, err
	}
	s.board.Printf("  %s: the build did not work, an older build is downloaded instead: %v", nameMongo, err)
	dir, wheelErr := artifact.Install(ctx, s.cfg.Cache, artifact.SecantusFromWheel(), task)
	if wheelErr != nil {
		return "", errors.Join(err, wheelErr)
	}
	return dir, nil
}

func (s *Stack) mongoSpec(_ context.Context, dir string) (process.Spec, error) {
	home := filepath.Join(s.cfg.Data, nameMongo)
	mongod := lookPath("mongod")
	// The two do not read each other's files.
	data := filepath.Join(home, "data")
	if mongod != "" {
		data = filepath.Join(home, "mongod")
	}
	config := filepath.Join(home, "secantusd.toml")
	if err := writeConfig(home, map[string]string{config: ""}); err != nil {
		return process.Spec{}, err
	}
	if err := errors.Join(s.account.Own(home), s.account.Own(data)); err != nil {
		return process.Spec{}, fmt.Errorf("make MongoDB's directory: %w", err)
	}
	spec := process.Spec{
		Env: []string{"HOME=" + home, "PATH=/usr/bin:/bin"}, Dir: home, Nice: s.cfg.Nice, ReadyWithin: 2 * time.Minute,
	}
	port := strconv.Itoa(s.cfg.Ports.Mongo)
	if mongod != "" {
		spec.Args = []string{
			mongod, "--dbpath", data, "--bind_ip", "127.0.0.1", "--port", port, "--replSet", replicaSet,
			"--wiredTigerCacheSizeGB", strconv.FormatFloat(float64(s.cfg.MongoCache)/1024, 'f', 2, 64),
		}
		return spec, nil
	}
	spec.Args = []string{
		filepath.Join(dir, "bin", "secantusd-rs"), "--host", "127.0.0.1", "--port", port, "--storage-path", data,
		// Without it the stand-in loses acknowledged writes in a crash, j:true or not.
		"--sync-on-commit",
		// Its default of 4 GB is kept in memory, all of it, sooner or later.
		"--cache-size", strconv.Itoa(s.cfg.MongoCache) + "M", "--log-level", "WARNING",
		// An empty file, lest one from elsewhere on the machine be picked up.
		"--config", config,
	}
	return spec, nil
}

// mongoReady asks for a primary, and makes a mongod of ours one.
func (s *Stack) mongoReady(ctx context.Context) (err error) {
	client, err := mongo.Connect(options.Client().ApplyURI(s.Endpoints().Mongo).SetServerSelectionTimeout(2 * time.Second))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Disconnect(ctx)) }()
	var hello struct {
		Writable bool   `bson:"isWritablePrimary"`
		SetName  string `bson:"setName"`
	}
	admin := client.Database("admin")
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return err
	}
	if hello.Writable && s.cfg.Mongo != "" {
		return nil
	}
	if hello.Writable {
		// The stand-in takes no such flag, so it is told while it runs; a mongod does not mind.
		limit := bson.D{{Key: "setParameter", Value: 1}, {Key: "transactionLifetimeLimitSeconds", Value: transactionLimit}}
		if err := admin.RunCommand(ctx, limit).Err(); err != nil {
			return fmt.Errorf("bound the life of transactions: %w", err)
		}
		return nil
	}
	if s.cfg.Mongo == "" && hello.SetName == "" {
		member := bson.M{"_id": 0, "host": fmt.Sprintf("127.0.0.1:%d", s.cfg.Ports.Mongo)}
		config := bson.M{"_id": replicaSet, "members": bson.A{member}}
		if err := admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: config}}).Err(); err != nil {
			return fmt.Errorf("make it a replica set: %w", err)
		}
	}
	return errors.New("no primary yet")
}
