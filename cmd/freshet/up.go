package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"freshet/deploy/postgres"
	"freshet/deploy/stack"
	"freshet/deploy/stack/process"
	"freshet/search"
)

// upOptions are the settings of up alone.
type upOptions struct {
	serversOnly bool
	healthPort  int
}

func newUpCommand(s *settings) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start everything on this machine, and measure how fresh it is",
		Long: `Starts Postgres, Kafka, MongoDB and Elasticsearch, applies the migrations, seeds a
shop if there is none, and starts ingest, the projectors and the APIs. All go on
running when it ends. Run again it starts what is not running, on the same data.

A server whose address is given (FRESHET_POSTGRES_URL, FRESHET_KAFKA,
FRESHET_MONGO_URL, FRESHET_ELASTIC_URL) is used as it is. The others run in containers
if a Docker engine works here, else as plain processes from public packages.`,
		GroupID: "machine",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.up(cmd, o) },
	}
	cmd.Flags().BoolVar(&o.serversOnly, "servers-only", false, "start the four servers and nothing else")
	cmd.Flags().IntVar(&o.healthPort, "health-port", 8470, "first of the ports of /healthz and /metrics, one for each process")
	return cmd
}

func (s *settings) up(cmd *cobra.Command, o upOptions) error {
	ctx := cmd.Context()
	servers, err := stack.New(ctx, s.stack, s.stderr)
	if err != nil {
		return err
	}
	if err := s.loadTokens(servers.Data()); err != nil {
		return err
	}
	if !o.serversOnly {
		// Before the servers: their downloads may take minutes.
		if err := s.preflightProcesses(ctx, servers.Supervisor(), o.healthPort); err != nil {
			return err
		}
	}
	if err := s.printf("servers:\n"); err != nil {
		return err
	}
	if err := servers.Up(ctx); err != nil {
		return err
	}
	if o.serversOnly {
		return nil
	}
	if err := s.storeTokens(servers.Data()); err != nil {
		return err
	}
	if err := s.prepareShop(cmd, servers.Supervisor()); err != nil {
		return err
	}
	if err := s.renewIndex(cmd, servers.Supervisor()); err != nil {
		return err
	}
	if err := s.printf("processes:\n"); err != nil {
		return err
	}
	s.localPostgres = servers.LocalPostgres()
	specs, err := s.processSpecs(cmd, o.healthPort)
	if err != nil {
		return err
	}
	if err := s.startProcesses(ctx, servers.Supervisor(), specs); err != nil {
		return err
	}
	return errors.Join(s.printAddresses(), s.measureFreshness(cmd))
}

// prepareShop brings the schema up to date and fills a shop that is empty. A migration may publish rows again for what documents
// show from then on, and stages of an older version would drop it: they are ended before.
func (s *settings) prepareShop(cmd *cobra.Command, supervisor *process.Supervisor) error {
	if err := s.printf("shop:\n"); err != nil {
		return err
	}
	pending, err := postgres.Pending(cmd.Context(), s.postgresURL)
	if err != nil {
		return err
	}
	if pending {
		if err := supervisor.Down(cmd.Context(), "project"); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"migrate"}, {"seed", "--if-empty"}} {
		if err := s.runSelf(cmd, s.stdout, args...); err != nil {
			return err
		}
	}
	return nil
}

// renewIndex builds the search index anew if another version of Freshet made it with another definition. What writes it is
// ended before: an older version would go on writing its documents to the new one, and the index refuses them.
func (s *settings) renewIndex(cmd *cobra.Command, supervisor *process.Supervisor) error {
	elastic, err := search.Open([]string{s.elasticURL})
	if err != nil {
		return err
	}
	err = (&search.Indices{Client: elastic, Prefix: s.prefix}).Ensure(cmd.Context())
	if !errors.Is(err, search.ErrDefinition) {
		return err
	}
	if err := s.printf("search index: it was made by another definition\n"); err != nil {
		return err
	}
	if err := supervisor.Down(cmd.Context(), "project"); err != nil {
		return err
	}
	for _, args := range [][]string{{"reindex"}, {"reindex", "--discard"}} {
		if err := s.runSelf(cmd, s.stdout, args...); err != nil {
			return err
		}
	}
	return nil
}

// measureFreshness changes a price in SQL and prints how long each reader took to
// show it.
func (s *settings) measureFreshness(cmd *cobra.Command) error {
	if err := s.printf("\nfreshness:\n"); err != nil {
		return err
	}
	return s.runSelf(cmd, s.stdout, "freshness")
}

// printAddresses ends up's output with what to open and what to type.
func (s *settings) printAddresses() error {
	read := "http://" + s.readListen
	return s.printf(`
read API   %[1]s/api/v1/stores
write API  http://%[2]s
admin API  http://%[3]s
Postgres   %[4]s

  curl -s %[1]s/api/v1/stores
  curl -s %[1]s/api/v1/stores/1/home
  curl -s '%[1]s/api/v1/stores/1/search?q=a'

The write and admin APIs want a bearer token: $FRESHET_WRITE_TOKEN and $FRESHET_ADMIN_TOKEN, else
what up made up and keeps in write.token and admin.token of the data directory. Customers sign up
and in at the write API, and pay a sandbox; docs/guides/checkout.md goes through it.

make status, make logs, make down
`, read, s.writeListen, s.adminListen, redactURL(s.postgresURL))
}

func newDownCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "down",
		Short:   "Stop everything that up started; the data stays",
		GroupID: "machine",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.down(cmd) },
	}
}

// down goes on past a process that won't end: the others shall still be stopped.
func (s *settings) down(cmd *cobra.Command) error {
	servers, err := stack.New(cmd.Context(), s.stack, s.stderr)
	if err != nil {
		return err
	}
	var problems []error
	processes := s.ownProcesses()
	for i := len(processes) - 1; i >= 0; i-- {
		problems = append(problems, servers.Supervisor().Down(cmd.Context(), processes[i].name))
	}
	problems = append(problems, servers.Down(cmd.Context()))
	if err := errors.Join(problems...); err != nil {
		return err
	}
	return s.printf("stopped; the data stays in %s\n", servers.Data())
}

func newCleanCommand(s *settings) *cobra.Command {
	var programs bool
	cmd := &cobra.Command{
		Use:     "clean",
		Short:   "Stop everything and delete its data",
		GroupID: "machine",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.down(cmd); err != nil {
				return err
			}
			servers, err := stack.New(cmd.Context(), s.stack, s.stderr)
			if err != nil {
				return err
			}
			if err := servers.Clean(cmd.Context(), programs); err != nil {
				return fmt.Errorf("clean: %w", err)
			}
			return s.printf("deleted %s\n", servers.Data())
		},
	}
	cmd.Flags().BoolVar(&programs, "programs", false, "delete the servers' programs too, which up then downloads again")
	return cmd
}
