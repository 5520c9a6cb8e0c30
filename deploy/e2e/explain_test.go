package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/projectors/explain"
	"freshet/search"
)

// TestExplainAndRepair follows one product through a shop that runs: seen, then filtered for one reason after the other, and
// then with a damaged document at each hop, which must be called wrong and not only late. An audit then mends them.
func TestExplainAndRepair(t *testing.T) {
	ctx := deadline(t, 5*time.Minute)
	s := newShop(t, 1, 30, 6)
	for _, p := range s.pipeline() {
		p.start()
	}
	s.follow(ctx)
	product := s.aVisibleProduct(ctx)
	s.mustCatchUp(ctx)
	if e := s.explain(product); !e.Shown || len(found(e, explain.Wrong)) > 0 {
		t.Errorf("a product that is seen: %s, %v", e.Verdict, e.Hops)
	}
	for _, c := range []struct{ code, sql, back string }{
		{"offer-not-active", "update offers set status = 'paused' where product_id = $1", "update offers set status = 'active' where product_id = $1"},
		{"product-not-active", "update products set status = 'draft' where id = $1", "update products set status = 'active' where id = $1"},
		{"store-inactive", "update stores set active = false where $1::bigint > 0", "update stores set active = true where $1::bigint > 0"},
		{"no-price", "delete from prices where product_id = $1", "insert into prices (store_id, sku, product_id, amount) select 1, sku, product_id, 700 from variants where product_id = $1"},
	} {
		s.exec(ctx, c.sql, product)
		s.mustCatchUp(ctx)
		e := s.explain(product)
		if e.Shown || !slices.Contains(found(e, explain.Filter), c.code) || len(found(e, explain.Wrong)) > 0 {
			t.Errorf("%s: %s; filters %v, wrong %v", c.code, e.Verdict, found(e, explain.Filter), found(e, explain.Wrong))
		}
		s.exec(ctx, c.back, product)
	}
	s.mustCatchUp(ctx)
	t.Logf("%s", s.whileWritten(ctx, func() string { return s.run("audit", "--store", "1") }))
	s.mustCatchUp(ctx)
	s.damage(ctx, product)
	wrong := found(s.explain(product), explain.Wrong)
	for _, code := range []string{"document-differs", "page-missing", "document-missing"} {
		if !slices.Contains(wrong, code) {
			t.Errorf("%s was not found: wrong is %v", code, wrong)
		}
	}
	t.Logf("%s", s.run("audit", "--store", "1", "--repair"))
	s.mustAgree(ctx, "after the repair")
	s.damageOrders(ctx)
	t.Logf("%s", s.run("audit", "--repair"))
	s.mustAgree(ctx, "after the repair of orders and recommendations")
	if e := s.explain(product); !e.Shown {
		t.Errorf("after the repair: %s", e.Verdict)
	}
}

// whileWritten does something while the prices of all offers change ten times a second: the stages keep up with it.
func (s *shop) whileWritten(ctx context.Context, deed func() string) string {
	writing, stop := context.WithCancel(ctx)
	conn, stopped := s.connect(), make(chan error, 1)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		var err error
		for err == nil && writing.Err() == nil {
			if _, err = conn.Exec(ctx, "update prices set amount = amount % 5000 + 100 where store_id = 1"); err == nil {
				<-tick.C
			}
		}
		stopped <- err
	}()
	said := deed()
	stop()
	if err := <-stopped; err != nil {
		s.t.Errorf("the shop was not written to all the time: %v", err)
	}
	return said
}

// aVisibleProduct returns a product that store 1 shows.
func (s *shop) aVisibleProduct(ctx context.Context) (id int64) {
	s.t.Helper()
	err := s.connect().QueryRow(ctx, `select o.product_id from offers o join products p on p.id = o.product_id
		join stores st on st.id = o.store_id and st.active join categories c on c.tree_id = st.tree_id and c.active
		join product_categories pc on pc.product_id = p.id and pc.category_id = c.id
		where o.store_id = 1 and o.status = 'active' and p.status = 'active' and exists (select from prices r where r.store_id = 1 and r.product_id = p.id)
		and exists (select from product_texts x where x.product_id = p.id) order by o.product_id limit 1`).Scan(&id)
	if err != nil {
		s.t.Fatalf("find a product that is shown: %v", err)
	}
	return id
}

func (s *shop) exec(ctx context.Context, sql string, args ...any) {
	s.t.Helper()
	if _, err := s.connect().Exec(ctx, sql, args...); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

func (s *shop) explain(product int64) (e explain.Explanation) {
	s.t.Helper()
	out := s.run("explain", "--store", "1", "--product", fmt.Sprint(product), "--json")
	if err := json.Unmarshal([]byte(out), &e); err != nil {
		s.t.Fatalf("read the explanation: %v\n%s", err, out)
	}
	return e
}

// damage harms the read models behind the projectors' backs: a stock in MongoDB, a page, and the search documents.
func (s *shop) damage(ctx context.Context, product int64) {
	s.t.Helper()
	id := fmt.Sprint("1:", product)
	one, err := s.db.Collection("offers").UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "stock.0.on_hand", Value: int64(1000)}}}})
	if err != nil || one.ModifiedCount != 1 {
		s.t.Fatalf("damage the offer %s: %v %+v", id, err, one)
	}
	gone, err := s.db.Collection("nodes").DeleteMany(ctx, bson.D{})
	if err != nil || gone.DeletedCount == 0 {
		s.t.Fatalf("delete the pages: %v", err)
	}
	s.deleteDocument(ctx, search.ID(1, product))
}

// damageOrders harms what is kept of orders.
func (s *shop) damageOrders(ctx context.Context) {
	s.t.Helper()
	for collection, update := range map[string]bson.D{
		"orders":   {{Key: "$inc", Value: bson.D{{Key: "row.total", Value: int64(1)}}}},
		"levels":   {{Key: "$unset", Value: bson.D{{Key: "skus", Value: ""}}}},
		"together": {{Key: "$inc", Value: bson.D{{Key: "orders", Value: int64(1000)}}}},
		"picks":    {{Key: "$unset", Value: bson.D{{Key: "bought", Value: ""}}}},
	} {
		one, err := s.db.Collection(collection).UpdateOne(ctx, bson.D{}, update)
		if err != nil || one.ModifiedCount != 1 {
			s.t.Fatalf("damage one of %s: %v %+v", collection, err, one)
		}
	}
}

// deleteDocument takes a search document away as a lost segment would: under its own version, which a write of the same
// version may follow.
func (s *shop) deleteDocument(ctx context.Context, id string) {
	s.t.Helper()
	url := s.elastic + "/" + s.prefix + "-offers/_doc/" + id + "?routing=1"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	var stored struct {
		Version int64 `json:"_version"`
	}
	if err := json.Unmarshal([]byte(body(s.t, req)), &stored); err != nil || stored.Version == 0 {
		s.t.Fatalf("read the document %s: %v", id, err)
	}
	if req, err = http.NewRequestWithContext(ctx, http.MethodDelete, fmt.Sprintf("%s&refresh=true&version_type=external_gte&version=%d", url, stored.Version), nil); err != nil {
		s.t.Fatal(err)
	}
	body(s.t, req)
}

func found(e explain.Explanation, kind explain.Kind) (codes []string) {
	for _, h := range e.Hops {
		for _, f := range h.Findings {
			if f.Kind == kind && !slices.Contains(codes, f.Code) {
				codes = append(codes, f.Code)
			}
		}
	}
	return codes
}
