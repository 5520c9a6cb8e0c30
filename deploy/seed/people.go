package seed

import (
	"fmt"
	"strconv"
	"time"

	"freshet/api/write/slug"
)

// Carriers are invented, as everything here.
var carriers = [3]string{"rapido", "north-post", "blue-parcel"}

var countries = [5]string{"IT", "FR", "DE", "ES", "GB"}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func (s *shop) peopleTables() []table {
	reviews := int64(len(s.products)) / 2
	return []table{
		{name: "customers", columns: columns("id", "email", "name", "lang", "created_at"), total: s.customers, rows: s.customerRows},
		{name: "addresses", columns: columns("id", "customer_id", "name", "line1", "city", "postcode", "country"), total: s.customers, rows: s.addressRows},
		{
			name: "reviews", columns: columns("id", "product_id", "customer_id", "rating", "body", "lang", "status", "created_at"), total: reviews,
			rows: s.reviewRows(reviews),
		},
	}
}

// person is who a customer is: name and market.
func (s *shop) person(id int64) (name string, market int, d dice) {
	d = s.dice(forCustomer, id, 0)
	market = int(d.n(int64(len(langs))))
	p := s.words.people[market]
	return pick(&d, p.first) + " " + pick(&d, p.last), market, d
}

func (s *shop) customerRows(yield func([]any) bool) {
	for id := int64(1); id <= s.customers; id++ {
		name, market, d := s.person(id)
		domain := pick(&d, []string{"example.com", "example.org", "example.net"})
		email := fmt.Sprintf("%s-%d@%s", slug.Make(name, 60), id, domain)
		if !yield([]any{id, email, name, langs[market], s.ago(history + time.Duration(d.between(1, 500))*day)}) {
			return
		}
	}
}

func (s *shop) addressRows(yield func([]any) bool) {
	for id := int64(1); id <= s.customers; id++ {
		name, market, d := s.person(id)
		d.next()
		city, postcode := splitCity(pick(&d, s.words.people[market].cities))
		street := pick(&d, s.words.people[market].streets) + " " + itoa(d.between(1, 120))
		if market == english || market == french {
			street = itoa(d.between(1, 120)) + " " + pick(&d, s.words.people[market].streets)
		}
		if !yield([]any{id, id, name, street, city, postcode, countries[market]}) {
			return
		}
	}
}

// reviewRows lets every second product have one, in its customer's language: sentence and stars agree.
func (s *shop) reviewRows(count int64) func(func([]any) bool) {
	return func(yield func([]any) bool) {
		for id := int64(1); id <= count; id++ {
			d := s.dice(forReview, id, 0)
			customer := d.between(1, s.customers)
			_, market, _ := s.person(customer)
			bodies := s.words.sentences["review"][market]
			opinion := int(min(d.n(8), d.n(8))) / 2 // the kind ones first, and more often
			rating := int16([4]int64{5, d.between(4, 5), 3, d.between(1, 2)}[opinion])
			status := "published"
			if d.chance(10) {
				status = "pending"
			}
			at := s.ago(time.Duration(d.n(int64(history)))).Truncate(time.Second)
			if !yield([]any{id, 2 * id, customer, rating, bodies[opinion], langs[market], status, at}) {
				return
			}
		}
	}
}

func (s *shop) shipmentRows() func(func([]any) bool) {
	return s.eachOrder(func(o *order, yield func(...any) bool) bool {
		if o.status != "shipped" && o.status != "delivered" {
			return true
		}
		status := map[string]string{"shipped": "in_transit", "delivered": "delivered"}[o.status]
		return yield(o.id, o.id, carriers[o.id%3], fmt.Sprintf("FR%09d", o.id), status, o.placed.Add(4*day), o.placed.Add(day))
	})
}

func (s *shop) shipmentEventRows() func(func([]any) bool) {
	id := int64(0)
	return s.eachOrder(func(o *order, yield func(...any) bool) bool {
		if o.status != "shipped" && o.status != "delivered" {
			return true
		}
		city, _ := splitCity(s.words.people[o.store.market].cities[o.id%8])
		id++
		if !yield(id, o.id, o.id, "in_transit", city, o.placed.Add(day)) {
			return false
		}
		if o.status == "shipped" {
			return true
		}
		id++
		return yield(id, o.id, o.id, "delivered", city, o.placed.Add(3*day))
	})
}
