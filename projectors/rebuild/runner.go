package rebuild

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"freshet/ingest/failpoint"
	"freshet/projectors/audit"
)

const (
	// lease is how long a process that is silent is left the job. It spares double work and nothing else: two processes that
	// both made a store would make it twice.
	lease = 10 * time.Second
	// poll is the time between two looks at a job that another process carries out, or that there may be.
	poll = time.Second
	// looks is how often a store is compared before what is wrong counts: a change that is committed while the documents are
	// read shows as a difference, and is gone at the next look.
	looks = 3
)

// noStore stands for the documents that are of no store.
const noStore = 0

// Work is what a rebuild is made of; every field is required.
type Work struct {
	// Rows has all rows published again, under a name by which it is known when asked again, and waits until the read models
	// have passed them.
	Rows func(ctx context.Context, name string, rate int) error
	// Stores lists the stores by id.
	Stores func(ctx context.Context) ([]int64, error)
	// Store has the pages and search documents of a store made again, and waits until they are.
	Store func(ctx context.Context, store int64) error
	// Look compares the documents of a store with SQL, or for noStore those that are of none, once the read models have passed
	// what that sees.
	Look func(ctx context.Context, store int64) (audit.Report, error)
	// Mend repairs those of them that are not what SQL says.
	Mend func(ctx context.Context, store int64) error
}

// Runner carries the job out.
type Runner struct {
	board  *Board
	work   Work
	log    *slog.Logger
	holder string
	// patience is how long it may stand still for what may pass.
	patience time.Duration
	// Tell is told of each step, where it is set.
	Tell func(Job) error
}

// NewRunner returns a runner.
func NewRunner(board *Board, work Work, log *slog.Logger) *Runner {
	return &Runner{board: board, work: work, log: log, holder: randomID(), patience: patience, Tell: func(Job) error { return nil }}
}

// Run carries out whatever is asked for until the context ends. What fails is noted in the job and tried again.
func (r *Runner) Run(ctx context.Context) error {
	for {
		job, err := r.board.Job(ctx)
		if err == nil && job.State == Running {
			_, err = r.perform(ctx)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, errTaken) {
			r.log.Error("the rebuild does not go on, it is tried again", "error", err.Error())
		}
		if !pause(ctx, poll) {
			return nil
		}
	}
}

// release lets another process take the job over at once, and tells who looks at it why it stands. Where that fails too, the
// lease ends by itself, and MongoDB is what the job stands for.
func (r *Runner) release(ctx context.Context, problem error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), poll)
	defer cancel()
	_, _ = r.board.change(ctx, func(j *Job) bool {
		mine := j.State == Running && j.Holder == r.holder
		if mine {
			j.Problem, j.Updated, j.Beat = problem.Error(), moment(), time.Time{}
		}
		return mine
	})
}

// Follow carries a run out, or waits while another process does, until it has ended. What may pass is tried again, until the
// job has stood still for too long.
func (r *Runner) Follow(ctx context.Context, run string) (Job, error) {
	var still standstill
	for {
		job, err := r.board.Job(ctx)
		if err == nil && (job.Run != run || job.State != Running) {
			return job, nil
		}
		stands := job
		if err == nil {
			job, err = r.perform(ctx)
		}
		wait := poll
		switch {
		case err == nil:
			return job, nil
		case errors.Is(err, errTaken):
		case !passing(err) || ctx.Err() != nil:
			return job, err
		default:
			if now, lookErr := r.board.Job(ctx); lookErr == nil {
				stands = now
			}
			var since time.Duration
			if since, wait = still.lasts(stands, time.Now()); since > r.patience {
				return job, err
			}
			r.log.Warn("the rebuild does not go on, it is tried again", "error", err.Error())
		}
		if !pause(ctx, wait) {
			return job, context.Cause(ctx)
		}
	}
}

// perform takes the job over and carries it out to its end.
func (r *Runner) perform(ctx context.Context) (Job, error) {
	job, err := r.step(ctx, func(j *Job) bool {
		free := j.Holder == r.holder || time.Since(j.Beat) > lease
		if free {
			j.Holder = r.holder
		}
		return free
	})
	if err != nil {
		return job, err
	}
	r.log.Info("a rebuild is carried out", "rebuild", job.Run, "rows", job.Rows && !job.RowsDone, "behind_store", job.Cursor)
	group, working := errgroup.WithContext(ctx)
	ended, end := context.WithCancel(working)
	group.Go(func() error { return r.beat(ended) })
	group.Go(func() (err error) {
		defer end()
		job, err = r.carryOut(working, job)
		return err
	})
	if err = group.Wait(); err != nil && !errors.Is(err, errTaken) {
		r.release(ctx, err)
	}
	return job, err
}

// step changes the job if it is still this process's to change, and keeps the lease.
func (r *Runner) step(ctx context.Context, change func(*Job) bool) (Job, error) {
	mine := false
	job, err := r.board.change(ctx, func(j *Job) bool {
		if mine = j.State == Running && change(j); mine {
			j.Beat = moment()
		}
		return mine
	})
	if err == nil && !mine {
		err = errTaken
	}
	return job, err
}

// ours is step for a job that was taken over before.
func (r *Runner) ours(ctx context.Context, change func(*Job)) (Job, error) {
	return r.step(ctx, func(j *Job) bool {
		if j.Holder != r.holder {
			return false
		}
		change(j)
		j.Problem = ""
		return true
	})
}

// beat keeps the lease while a step takes long.
func (r *Runner) beat(ctx context.Context) error {
	for pause(ctx, lease/4) {
		if _, err := r.ours(ctx, func(*Job) {}); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (r *Runner) carryOut(ctx context.Context, job Job) (Job, error) {
	if job.Rows && !job.RowsDone {
		if err := r.work.Rows(ctx, "rebuild-"+job.Run, job.Rate); err != nil {
			return job, fmt.Errorf("publish the rows again: %w", err)
		}
		failpoint.Hit("rebuild-after-rows")
		var err error
		if job, err = r.ours(ctx, func(j *Job) { j.RowsDone, j.Updated = true, moment() }); err != nil {
			return job, err
		}
	}
	if !job.RestDone {
		var err error
		if job, err = r.rest(ctx); err != nil {
			return job, err
		}
	}
	for {
		began := time.Now()
		store, all, err := r.next(ctx, job.Cursor)
		if err != nil {
			return job, err
		}
		if store == noStore {
			break
		}
		if job, err = r.store(ctx, store, all); err != nil {
			return job, fmt.Errorf("store %d: %w", store, err)
		}
		if err := r.Tell(job); err != nil {
			return job, err
		}
		if !pause(ctx, time.Duration(float64(time.Since(began))*(1/job.Budget-1))) {
			return job, context.Cause(ctx)
		}
	}
	return r.ours(ctx, func(j *Job) {
		j.end(Done)
		if j.Wrong > 0 {
			j.State = Failed
		}
	})
}

// rest compares what is of no store: dimensions, by which the pages of all stores are made, products that none offers, and
// recommendations.
func (r *Runner) rest(ctx context.Context) (Job, error) {
	wrong, documents, _, err := r.compare(ctx, noStore)
	if err != nil {
		return Job{}, fmt.Errorf("what is of no store: %w", err)
	}
	return r.ours(ctx, func(j *Job) {
		j.RestDone, j.Updated = true, moment()
		j.Documents += documents
		j.find(noStore, wrong)
	})
}

// next returns the store behind the cursor, noStore behind the last, and how many there are. Stores that are opened meanwhile are behind
// all others.
func (r *Runner) next(ctx context.Context, cursor int64) (store int64, all int, err error) {
	stores, err := r.work.Stores(ctx)
	for _, id := range stores {
		if id > cursor {
			return id, len(stores), err
		}
	}
	return noStore, len(stores), err
}

// store makes a store again, and notes it when it was compared.
func (r *Runner) store(ctx context.Context, store int64, all int) (Job, error) {
	if err := r.work.Store(ctx, store); err != nil {
		return Job{}, err
	}
	wrong, documents, mended, err := r.compare(ctx, store)
	if err != nil {
		return Job{}, err
	}
	failpoint.Hit("rebuild-after-store")
	return r.ours(ctx, func(j *Job) {
		j.Cursor, j.Stored, j.Stores, j.Updated = store, j.Stored+1, all, moment()
		j.Documents += documents
		if mended {
			j.Mended++
		}
		j.find(store, wrong)
	})
}

// compare looks at a store, mends what is wrong, and looks again.
func (r *Runner) compare(ctx context.Context, store int64) (wrong map[audit.Kind][]audit.Difference, documents int, mended bool, err error) {
	wrong, documents, err = r.look(ctx, store)
	if mended = err == nil && count(wrong) > 0; mended {
		if err = r.work.Mend(ctx, store); err == nil {
			wrong, documents, err = r.look(ctx, store)
		}
	}
	return wrong, documents, mended, err
}

// look compares a store as often as it takes, and returns what is wrong each time and how many documents there should be.
func (r *Runner) look(ctx context.Context, store int64) (wrong map[audit.Kind][]audit.Difference, documents int, err error) {
	for range looks {
		report, err := r.work.Look(ctx, store)
		if err != nil {
			return nil, 0, fmt.Errorf("compare: %w", err)
		}
		if wrong, documents = audit.Again(wrong, report), report.Expected(); len(wrong) == 0 {
			break
		}
	}
	return wrong, documents, nil
}

func count(wrong map[audit.Kind][]audit.Difference) (n int) {
	for _, list := range wrong {
		n += len(list)
	}
	return n
}

// pause waits, and says whether the context is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
