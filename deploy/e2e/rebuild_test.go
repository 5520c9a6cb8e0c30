package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"freshet/projectors/rebuild"
)

// TestARebuildOfEverythingSurvivesKills damages documents of every kind, asks for a rebuild over HTTP, and kills whoever
// carries it out at each of its points while the shop goes on: first an admin process, then the command, which goes on where
// that was. Another admin process ends it, and every document is what SQL says.
func TestARebuildOfEverythingSurvivesKills(t *testing.T) {
	ctx := deadline(t, 10*time.Minute)
	s := newShop(t, 3, 40, 12)
	for _, p := range s.pipeline() {
		p.start()
	}
	s.follow(ctx)
	product := s.aVisibleProduct(ctx)
	s.mustAgree(ctx, "after the snapshot")
	s.damage(ctx, product)
	s.damageOrders(ctx)

	address := freeAddress(t)
	s.env = append(s.env, "FRESHET_ADMIN_TOKEN=a-token-for-the-tests", "FRESHET_ADMIN_LISTEN="+address)
	admin := s.process("admin", "serve", "admin")
	admin.start("FRESHET_TEST_FAILPOINT=rebuild-after-rows")
	begun := s.job(ctx, address, http.MethodPost, `{"rows":true,"budget":1,"reason":"documents were damaged"}`)
	s.mustDie(ctx, admin, "rebuild-after-rows")

	n := newNemesis(t, s.postgres, *seedFlag, 2)
	n.run(ctx, 100)
	command := s.process("rebuild", "rebuild", "--all")
	command.start("FRESHET_TEST_FAILPOINT=rebuild-after-store:2")
	n.run(ctx, 100)
	s.mustDie(ctx, command, "rebuild-after-store")
	var stands rebuild.Job
	if err := json.Unmarshal([]byte(s.run("rebuild", "--status", "--json")), &stands); err != nil {
		t.Fatal(err)
	}
	if stands.Run != begun.Run || stands.State != rebuild.Running || !stands.RowsDone || stands.Stored != 1 || stands.Cursor != 1 {
		t.Fatalf("after two kills: %+v", stands)
	}

	admin.start()
	job := stands
	for job.State == rebuild.Running && ctx.Err() == nil {
		job = s.job(ctx, address, http.MethodGet, "")
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond): // between two looks at the job
		}
	}
	if job.State != rebuild.Done || job.Run != begun.Run || job.Stored != 3 || job.Stores != 3 || job.Documents == 0 || job.Wrong != 0 {
		t.Errorf("the job ended as %+v", job)
	}
	s.mustAgree(ctx, "after the rebuild")
}

// job asks the admin process, which may have been started a moment ago.
func (s *shop) job(ctx context.Context, address, method, order string) (job rebuild.Job) {
	s.t.Helper()
	for {
		req, err := http.NewRequestWithContext(ctx, method, "http://"+address+"/admin/v1/rebuild", strings.NewReader(order))
		if err != nil {
			s.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer a-token-for-the-tests")
		req.Header.Set("Content-Type", "application/json")
		status, answer := ask(req)
		if status/100 == 2 {
			if err := json.Unmarshal(answer, &job); err != nil {
				s.t.Fatalf("%v: %s", err, answer)
			}
			return job
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("%s %s: %d %s", method, req.URL, status, answer)
		case <-time.After(100 * time.Millisecond): // until it listens, and has read the dimensions
		}
	}
}

// ask returns status 0 and the reason when nobody answers.
func ask(req *http.Request) (status int, answer []byte) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	answer, err = io.ReadAll(res.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return res.StatusCode, answer
}
