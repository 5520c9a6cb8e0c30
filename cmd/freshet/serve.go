package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"freshet/api"
	"freshet/api/admin"
	"freshet/api/queue"
	"freshet/api/read"
	"freshet/api/read/tally"
	"freshet/api/write"
	"freshet/api/write/payment"
	"freshet/deploy/health"
	"freshet/ingest"
	"freshet/ingest/broker"
	"freshet/projectors"
	"freshet/projectors/alert"
	"freshet/projectors/control"
	"freshet/projectors/demand"
	"freshet/projectors/dimension"
	"freshet/projectors/document"
	"freshet/projectors/order"
	"freshet/projectors/rebuild"
	"freshet/projectors/recommend"
	"freshet/projectors/replay"
	"freshet/projectors/tree"
	"freshet/search"
)

// serveOptions are the settings of serve alone.
type serveOptions struct {
	timeout     time.Duration
	maxInFlight int
	limits      limitOptions
	wait        time.Duration // of read
	cursorKey   string        // of read
	relevance   string        // of read: file of settings
	connections int           // of write
	token       string        // of write and of admin
	accountKeys string        // file of the keys that sign accounts' tokens
	signingKey  string        // of write: file of the key that signs them
	tokenLife   time.Duration
	payment     paymentOptions
	queue       bool // of write
}

func newServeCommand(s *settings) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Serve one of the three HTTP APIs: read, write, admin",
		GroupID: "process",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return errors.New("serve which? read, write or admin") },
	}
	flags := cmd.PersistentFlags()
	flags.DurationVar(&o.timeout, "request-timeout", 5*time.Second, "how long one request may take")
	flags.IntVar(&o.maxInFlight, "max-in-flight", 512, "how many requests run at once; one more is answered 503")
	o.limits.bind(flags)
	cmd.AddCommand(newServeReadCommand(s, &o), newServeWriteCommand(s, &o), newServeAdminCommand(s, &o))
	return cmd
}

func newServeReadCommand(s *settings, o *serveOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "read",
		Short: "Serve store pages, product pages, search and orders from the read models",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return s.serveRead(cmd.Context(), o) },
	}
	cmd.Flags().DurationVar(&o.wait, "wait", time.Second, "how long a read waits for the position it carries; must be below --request-timeout")
	cmd.Flags().StringVar(&o.accountKeys, "account-keys", "", "file of the public keys (JWK set, Ed25519) that accounts' tokens are verified by; without it the routes of accounts answer 401")
	bindRelevance(cmd.Flags(), &o.relevance)
	cmd.Flags().StringVar(&o.cursorKey, "cursor-key", "", "what cursors of searches are signed with, at least 16 characters, the same for all servers behind one address; without it each process makes one of its own; better given by the variable, which ps doesn't show")
	return cmd
}

func newServeWriteCommand(s *settings, o *serveOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "write",
		Short: "Serve carts, checkout, orders, products, prices and stock, each request one transaction",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return s.serveWrite(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.token, "write-token", "", "bearer token of the write API, at least 16 characters; better given by the variable, which ps doesn't show")
	flags := cmd.Flags()
	flags.IntVar(&o.connections, "write-connections", 16, "connections to Postgres")
	flags.StringVar(&o.accountKeys, "account-keys", "", "file of the public keys (JWK set, Ed25519) that accounts' tokens are verified by; without it the routes of accounts answer 401")
	flags.StringVar(&o.signingKey, "account-signing-key", "", "file of the private key (PEM, PKCS #8, Ed25519) that signs accounts' tokens, good for --token-life; without it nobody can sign in")
	o.limits.bindWrite(flags)
	flags.BoolVar(&o.queue, "queue-orders", true, "take orders into Kafka while Postgres can't be reached, and place them when it is back")
	flags.DurationVar(&o.tokenLife, "token-life", 10*time.Minute, "how long an access token is good")
	flags.StringVar(&o.payment.url, "payment-url", "", "the payment provider's address; without it nothing can be bought")
	flags.StringVar(&o.payment.name, "payment-provider", "sandbox", "its name, in payments and in the path of its events")
	flags.StringVar(&o.payment.token, "payment-token", "", "what it is sent as bearer token; better given by the variable, which ps doesn't show")
	flags.StringSliceVar(&o.payment.secrets, "payment-secrets", nil, "what its events are signed with, several while one is changed; better given by the variable")
	return cmd
}

func newServeAdminCommand(s *settings, o *serveOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "admin",
		Short: "Serve explanations, rebuild, control of the stages, snapshots, status and dead letters to operators",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return s.serveAdmin(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.token, "admin-token", "", "bearer token of the admin API, at least 16 characters; better given by the variable, which ps doesn't show")
	return cmd
}

// paymentOptions are how serve write reaches the payment provider.
type paymentOptions struct {
	url, name, token string
	secrets          []string
}

// apply gives the shop its provider, when there is one.
func (o *paymentOptions) apply(cfg *write.Config) error {
	if o.url == "" {
		return nil
	}
	provider, err := payment.NewRemote(o.name, o.url, o.token, nil)
	if err != nil {
		return err
	}
	cfg.Provider, cfg.Secrets = provider, o.secrets
	return nil
}

// serving is a server with what runs beside it.
type serving struct {
	registry *prometheus.Registry
	probe    *health.Server
	limits   *limits
	runs     []func(context.Context) error
}

func (s *settings) newServing(o *serveOptions) (*serving, error) {
	registry := newRegistry()
	limits, err := s.openLimits(&o.limits, registry)
	if err != nil {
		return nil, err
	}
	probe := health.New(s.health, registry)
	return &serving{registry: registry, probe: probe, limits: limits, runs: []func(context.Context) error{probe.Run}}, nil
}

// server makes the HTTP server; ready is its check, and the probe's.
func (v *serving) server(s *settings, o *serveOptions, name, listen string, ready api.Check) (*api.Server, error) {
	addresses, err := v.limits.of("address."+name, o.limits.address)
	if err != nil {
		return nil, fmt.Errorf("--rate-limit, --rate-burst: %w", err)
	}
	proxies, err := o.limits.trusted()
	if err != nil {
		return nil, err
	}
	server, err := api.New(api.Config{
		Name: name, Listen: listen, Timeout: o.timeout, MaxInFlight: o.maxInFlight, Addresses: addresses, Proxies: proxies,
		Token: o.token, Log: s.logger(), Metrics: v.registry,
	}, ready)
	if err != nil {
		return nil, err
	}
	v.probe.Check(name, ready)
	v.runs = append(v.runs, server.Run)
	return server, nil
}

// run waits for all; the first to fail ends the others.
func (v *serving) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range v.runs {
		group.Go(func() error { return run(ctx) })
	}
	return group.Wait()
}

// openMongo gives up on an absent server well within a request's time.
func (s *settings) openMongo(name string) (*mongo.Client, error) {
	client, err := mongo.Connect(options.Client().ApplyURI(s.mongoURL).SetAppName("freshet serve " + name).
		SetServerSelectionTimeout(2 * time.Second).SetMaxPoolSize(200))
	if err != nil {
		return nil, fmt.Errorf("open MongoDB: %w", err)
	}
	return client, nil
}

// readHeapPercent is how far the heap of serve read grows before it is collected, in percent of what is in use: little, beside
// the 45 KB that each page leaves behind. By Go's 100 a busy server collects all the time to stay small.
const readHeapPercent = 400

func (s *settings) serveRead(ctx context.Context, o *serveOptions) error {
	if s.env["GOGC"] == "" {
		debug.SetGCPercent(readHeapPercent)
	}
	if o.wait >= o.timeout {
		return fmt.Errorf("--wait %s must be below --request-timeout %s", o.wait, o.timeout)
	}
	if n := len(o.cursorKey); n > 0 && n < 16 {
		return errors.New("--cursor-key (FRESHET_CURSOR_KEY) is too short: want at least 16 characters")
	}
	verifier, err := loadVerifier(o.accountKeys)
	if err != nil {
		return err
	}
	client, err := s.openMongo("read")
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }() // nothing is written here
	db := client.Database(s.mongoDatabase)
	tracker, err := s.openTracker(0)
	if err != nil {
		return err
	}
	elastic, err := search.Open([]string{s.elasticURL})
	if err != nil {
		return err
	}
	wait := o.wait
	if wait == 0 {
		wait = -1
	}
	v, err := s.newServing(o)
	if err != nil {
		return err
	}
	defer v.limits.close()
	searches, closeSearches, err := s.openTally(v.registry)
	if err != nil {
		return err
	}
	defer closeSearches()
	relevance, err := readRelevance(o.relevance)
	if err != nil {
		return err
	}
	shop := read.New(read.Config{
		Pages: tree.NewStore(db, false), Products: read.NewDocuments(db), Progress: tracker, Wait: wait, CursorKey: []byte(o.cursorKey), Log: s.logger(),
		Searcher:   search.NewSearcher(elastic, search.SearcherConfig{Prefix: s.prefix, Settings: relevance}),
		Dimensions: dimension.NewCache(db, dimension.CacheConfig{Logger: s.logger()}),
		Orders:     order.NewStore(db), Alerts: alert.NewStore(db), Verifier: verifier,
		Recommendations: recommend.NewStore(db, document.Config{}), Tally: searches, Demand: demand.NewStore(db, document.Config{}),
	})
	server, err := v.server(s, o, "read", s.readListen, shop.Ready)
	if err != nil {
		return err
	}
	shop.Register(server)
	v.runs = append(v.runs, tracker.Run, shop.Run, searches.Run)
	return v.run(ctx)
}

// openTally opens what tells Kafka what is searched for.
func (s *settings) openTally(registry prometheus.Registerer) (*tally.Tally, func(), error) {
	producer, err := projectors.NewProducer(projectors.ProducerConfig{Brokers: s.kafka, Security: s.security}, s.logger(), nil)
	if err != nil {
		return nil, nil, err
	}
	searches, err := tally.New(tally.Config{Publisher: producer, Prefix: s.prefix, Metrics: registry, Log: s.logger()})
	return searches, producer.Close, err
}

func (s *settings) serveWrite(ctx context.Context, o *serveOptions) error {
	cfg, err := pgxpool.ParseConfig(s.postgresURL)
	if err != nil {
		return fmt.Errorf("parse the Postgres URL: %w", err)
	}
	cfg.MaxConns = int32(max(1, min(o.connections, 1000)))
	write.Prepare(cfg)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("open Postgres: %w", err)
	}
	defer pool.Close()
	config := write.Config{Pool: pool, Log: s.logger()}
	if config.Verifier, err = loadVerifier(o.accountKeys); err != nil {
		return err
	}
	if config.Issuer, err = loadIssuer(o.signingKey, o.tokenLife); err != nil {
		return err
	}
	if err := o.payment.apply(&config); err != nil {
		return err
	}
	v, err := s.newServing(o)
	if err != nil {
		return err
	}
	defer v.limits.close()
	if config.Limits, err = v.limits.write(&o.limits); err != nil {
		return err
	}
	waiting, err := s.openQueue(o, v.registry)
	if err != nil {
		return err
	}
	if waiting != nil {
		defer waiting.Close()
		config.Queue = waiting
	}
	shop, err := write.New(config)
	if err != nil {
		return err
	}
	server, err := v.server(s, o, "write", s.writeListen, shop.Ready)
	if err != nil {
		return err
	}
	if err := shop.Register(server); err != nil {
		return fmt.Errorf("%w: set FRESHET_WRITE_TOKEN", err)
	}
	v.runs = append(v.runs, shop.Run)
	if waiting != nil {
		v.runs = append(v.runs, func(ctx context.Context) error { return waiting.Run(ctx, shop.PlaceQueued) })
	}
	return v.run(ctx)
}

// openQueue opens what takes orders while Postgres is away; nil where nothing is to.
func (s *settings) openQueue(o *serveOptions, registry prometheus.Registerer) (*queue.Queue, error) {
	if !o.queue {
		return nil, nil
	}
	return queue.New(queue.Config{Brokers: s.kafka, Security: s.security, Prefix: s.prefix, Log: s.logger(), Metrics: registry})
}

// remoteIngest is the way to ingest, wherever it runs: signals go by the database, answers come by Kafka.
type remoteIngest struct{ *settings }

func (r remoteIngest) Send(ctx context.Context, sig ingest.Signal) error {
	return ingest.Send(ctx, r.postgresURL, sig)
}

func (r remoteIngest) Snapshots(ctx context.Context) ([]ingest.Snapshot, error) {
	return ingest.Snapshots(ctx, r.kafka, r.prefix)
}

func (s *settings) serveAdmin(ctx context.Context, o *serveOptions) error {
	client, err := s.openMongo("admin")
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }() // all writes are acknowledged by then
	tracker, err := s.openTracker(leisure)
	if err != nil {
		return err
	}
	producer, err := projectors.NewProducer(projectors.ProducerConfig{Brokers: s.kafka, Security: s.security}, s.logger(), nil)
	if err != nil {
		return err
	}
	defer producer.Close()
	transport := s.security.Transport("freshet-admin", 0)
	defer transport.CloseIdleConnections()
	dims := dimension.NewCache(client.Database(s.mongoDatabase), dimension.CacheConfig{Logger: s.logger()})
	explainer, err := s.explainer(client.Database(s.mongoDatabase), transport, tracker, dims)
	if err != nil {
		return err
	}
	rebuilds := rebuild.Open(client.Database(s.mongoDatabase))
	desk := admin.New(admin.Config{
		Prefix: s.prefix, Publisher: producer, Progress: tracker, Dimensions: dims, Explainer: explainer,
		Controls: control.Open(client.Database(s.mongoDatabase)), Alarms: alert.NewAlarms(client.Database(s.mongoDatabase), nil, s.prefix),
		Pages: tree.NewStore(client.Database(s.mongoDatabase), false), Demand: demand.NewStore(client.Database(s.mongoDatabase), document.Config{}), Rebuilds: rebuilds,
		Letters: replay.New(broker.Cluster{Addresses: s.kafka, Security: s.security}.Client(transport, 15*time.Second), s.prefix), Ingest: remoteIngest{s},
	})
	v, err := s.newServing(o)
	if err != nil {
		return err
	}
	defer v.limits.close()
	server, err := v.server(s, o, "admin", s.adminListen, desk.Ready)
	if err != nil {
		return err
	}
	if err := desk.Register(server); err != nil {
		return fmt.Errorf("%w: set FRESHET_ADMIN_TOKEN", err)
	}
	v.runs = append(v.runs, tracker.Run, dims.Run, s.rebuilder(client.Database(s.mongoDatabase), rebuilds, tracker).Run)
	return v.run(ctx)
}
