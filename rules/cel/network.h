// IP addresses and CIDR ranges as CEL values (types net.IP and net.CIDR).
//
// An address is `size` 4, its 32 bits in `u`, or `size` 16 and `s` the bytes. A range is the same
// with its prefix length: `size` 5 and the length in bits 32 to 39 of `u`, or `size` 17 and a 17th
// byte. So IPv4 allocates nothing. Accepted text: RFC 4291 and dotted IPv4 without leading zeros;
// no zones. An address that IPv6 maps from IPv4 is the IPv4 address where it is written in
// hexadecimal, and refused where its last part is dotted, as the suite of google/cel-spec has it.
// Source: the network extension of cel-go, Kubernetes' `ip` and `cidr`, RFC 5952 (text).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cep/base/arena.h"
#include "cep/event/value.h"

namespace vigil::rules::cel {

// The address that `text` writes; nothing, with the reason in `why`, if it is none.
std::optional<cep::Value> ParseAddress(std::string_view text, Arena& arena, std::string* why);
// The range that `text` writes, as 10.0.0.0/8; host bits may be set.
std::optional<cep::Value> ParsePrefix(std::string_view text, Arena& arena, std::string* why);

// The text of an address or range, canonical (RFC 5952).
std::string NetworkText(const cep::Value& value);

// A copy of an address or range in the arena.
cep::Value CopyNetwork(const cep::Value& value, Arena& arena);

// Of two addresses, or two ranges.
bool SameNetwork(const cep::Value& a, const cep::Value& b);

// 32 or 128.
int AddressBits(const cep::Value& value);
int PrefixLength(const cep::Value& prefix);
// The address that the range is written with, and the range without its host bits.
cep::Value AddressOf(const cep::Value& prefix);
cep::Value Masked(const cep::Value& prefix, Arena& arena);
bool ContainsAddress(const cep::Value& prefix, const cep::Value& address);
bool ContainsPrefix(const cep::Value& prefix, const cep::Value& inner);

// The kinds of addresses that rules ask about, as RFC 4291 and RFC 1112 define them.
enum class AddressKind {
  kUnspecified,
  kLoopback,
  kLinkLocalMulticast,
  kLinkLocalUnicast,
  kGlobalUnicast,  // none of the above, no multicast, no broadcast; private ones count
};
bool IsOfKind(const cep::Value& address, AddressKind kind);

}  // namespace vigil::rules::cel
