package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/pflag"

	"freshet/api/write/contact"
	"freshet/projectors"
	"freshet/projectors/document"
	"freshet/projectors/notify"
)

// The ways to send; where neither variable is set, up runs no notify.
const (
	notifyMailVariable    = "FRESHET_NOTIFY_SMTP"
	notifyWebhookVariable = "FRESHET_NOTIFY_WEBHOOK"
)

// notifyOptions are how notifications are sent.
type notifyOptions struct {
	smtp, from, webhook, secret string
}

func (o *notifyOptions) bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.smtp, "notify-smtp", "", "of notify: the mail server, smtp://user:password@host:port (STARTTLS), smtps:// or smtp+plain://; better given by the variable, which ps doesn't show")
	flags.StringVar(&o.from, "notify-from", "", "of notify: who the e-mails are from")
	flags.StringVar(&o.webhook, "notify-webhook", "", "of notify: where events are posted to, http or https")
	flags.StringVar(&o.secret, "notify-secret", "", "of notify: what they are signed with, at least 16 characters; better given by the variable")
}

// notify is the stage that tells people. Its folds run on every partition, and the Sender on the first.
func (w *wiring) notify(docs document.Config) (projectors.Stage, error) {
	o := w.options.notify
	ways := notify.Ways{}
	cfg := notify.ProjectorConfig{Prefix: w.settings.prefix}
	if o.smtp != "" {
		mail, err := notify.NewMail(o.smtp, o.from, w.people)
		if err != nil {
			return projectors.Stage{}, fmt.Errorf("--notify-smtp, --notify-from: %w", err)
		}
		ways["mail"], cfg.Channels = mail, append(cfg.Channels, "mail")
	}
	if o.webhook != "" {
		hook, err := notify.NewWebhook(o.webhook, o.secret, nil)
		if err != nil {
			return projectors.Stage{}, fmt.Errorf("--notify-webhook, --notify-secret: %w", err)
		}
		ways["webhook"], cfg.Channels = hook, append(cfg.Channels, "webhook")
	}
	if len(ways) == 0 {
		return projectors.Stage{}, errors.New("notify has no way to send: set " + notifyMailVariable + " or " + notifyWebhookVariable)
	}
	metrics, err := notify.NewMetrics(w.registry)
	if err != nil {
		return projectors.Stage{}, err
	}
	return projectors.Stage{
		Name: notify.StageName, Upstream: []string{"ingest", "alert"}, Topics: notify.Topics(w.settings.prefix), Window: foldWindow,
		Repair: "freshet project notify   # once more; what was lost before it was read is not told",
		New: func(_ context.Context, partition int) (projectors.Handler, error) {
			if partition == 0 {
				return notify.NewSender(w.db, docs, cfg, ways, metrics, w.settings.logger()), nil
			}
			return notify.NewProjector(w.db, docs, cfg), nil
		},
	}, nil
}

// people asks Postgres whom an event is for: their addresses are nowhere else.
func (w *wiring) people(ctx context.Context, e notify.Event) ([]notify.Recipient, error) {
	find := func() ([]contact.Person, error) { return w.book.Customer(ctx, e.Order) }
	switch {
	case e.Queued != "":
		find = func() ([]contact.Person, error) { return w.book.Queued(ctx, e.Queued) }
	case e.Seller != 0:
		find = func() ([]contact.Person, error) { return w.book.Seller(ctx, e.Seller, e.Store) }
	}
	found, err := find()
	if err != nil {
		return nil, err
	}
	people := make([]notify.Recipient, len(found))
	for i, p := range found {
		people[i] = notify.Recipient(p)
	}
	return people, nil
}

// openBook opens what people asks; nothing is dialled before it is asked.
func (s *settings) openBook(ctx context.Context) (*contact.Book, func(), error) {
	cfg, err := pgxpool.ParseConfig(s.postgresURL)
	if err != nil {
		return nil, nil, fmt.Errorf("parse the Postgres URL: %w", err)
	}
	cfg.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("open Postgres: %w", err)
	}
	return contact.New(pool), pool.Close, nil
}
