package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"freshet/api/write/payment"
	"freshet/api/write/payment/sandbox"
	"freshet/deploy/health"
)

// paymentVariable names the payment provider; where it is not set, up plays one.
const paymentVariable = "FRESHET_PAYMENT_URL"

const (
	defaultSandboxListen = "127.0.0.1:8083"
	sandboxVariable      = "FRESHET_SANDBOX_LISTEN"
)

// sandboxListen is where up's sandbox listens.
func (s *settings) sandboxListen() string {
	return cmp.Or(s.env[sandboxVariable], defaultSandboxListen)
}

func newSandboxCommand(s *settings) *cobra.Command {
	var cfg sandbox.Config
	var listen string
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Play the payment provider of a shop that is tried out",
		Long: `Plays a payment provider, so that a shop can be tried out: no money moves, and what it
knows is gone when it ends. The payment method that a checkout names tells it how to
behave, in words joined by +: succeed, decline, timeout, late, twice. A method with any
other word is declined.`,
		Example: `  freshet sandbox --payment-token T --payment-secrets S
  freshet serve write --payment-url http://127.0.0.1:8083 --payment-token T --payment-secrets S`,
		GroupID: "process",
		Args:    cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "sandbox-listen", defaultSandboxListen, "address that the shop gives its payments to")
	flags.StringVar(&cfg.Webhook, "sandbox-webhook", "", "where events go (default the write API)")
	flags.DurationVar(&cfg.Delay, "sandbox-delay", 2*time.Second, "how late \"late\" is")
	flags.StringVar(&cfg.Token, "payment-token", "", "what the shop sends as bearer token; better given by the variable")
	secrets := flags.StringSlice("payment-secrets", nil, "what signs events; the first is used; better given by the variable")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := payment.CheckSecrets(*secrets); err != nil {
			return fmt.Errorf("--payment-secrets: %w", err)
		}
		if cfg.Token == "" {
			return errors.New("--payment-token is needed")
		}
		cfg.Secret = (*secrets)[0]
		if cfg.Webhook == "" {
			cfg.Webhook = "http://" + s.writeListen + "/api/v1/payments/sandbox/events"
		}
		cfg.Log = s.logger()
		return s.runSandbox(cmd.Context(), listen, sandbox.New(cfg))
	}
	return cmd
}

func (s *settings) runSandbox(ctx context.Context, listen string, play *sandbox.Sandbox) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen for payments: %w", err)
	}
	server := &http.Server{Handler: play, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	s.logger().Info("serving", "server", "sandbox", "address", ln.Addr().String())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return health.New(s.health, newRegistry()).Run(ctx) })
	g.Go(func() error { return play.Run(ctx) })
	g.Go(func() error {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve payments: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(drain)
	})
	return g.Wait()
}
