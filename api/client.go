package api

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// proxies are the networks of the proxies in front of a server.
type proxies []netip.Prefix

func (p proxies) trust(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// Client is who a request comes from, as the limit of addresses has it.
func (s *Server) Client(c *fiber.Ctx) string { return subscriber(proxies(s.cfg.Proxies).client(c)) }

// client is the address that a request comes from: the socket's, unless a proxy has it.
func (p proxies) client(c *fiber.Ctx) netip.Addr {
	socket, _ := netip.AddrFromSlice(c.Context().RemoteIP()) // of 4 or 16 bytes, so there is nothing to fail
	socket = socket.Unmap()
	if !p.trust(socket) {
		return socket
	}
	var hops []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	return p.behind(socket, hops)
}

// behind walks X-Forwarded-For from its end, where each proxy adds who it was called by, to the first address that isn't a
// proxy's: what stands left of it the client may have written itself.
func (p proxies) behind(proxy netip.Addr, hops []string) netip.Addr {
	for _, hop := range slices.Backward(hops) {
		addr, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return proxy
		}
		if proxy = addr.Unmap(); !p.trust(proxy) {
			return proxy
		}
	}
	return proxy
}

// subscriber is what one who pays for a line has for himself: an IPv4 address, or the 64 bits of an IPv6 network. By whole
// IPv6 addresses he would have more allowances than there are seconds.
func subscriber(addr netip.Addr) string {
	if addr.Is6() {
		addr = netip.PrefixFrom(addr.WithZone(""), 64).Masked().Addr()
	}
	return addr.String()
}
