// IP addresses and ranges. Source: cel-go's network extension, Kubernetes' ip and cidr libraries.
#include <string>

#include "rules/cel/functions.h"
#include "rules/cel/network.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;

using Parser = std::optional<Value> (*)(std::string_view, Arena&, std::string*);

template <Parser kParse>
Value FromText(CallContext& context, const Value* args) {
  std::string why;
  const std::optional<Value> value = kParse(args[0].text(), context.arena, &why);
  if (value) return *value;
  return MakeError(context.arena, "`" + std::string(args[0].text().substr(0, 64)) + "`: " + why);
}

template <Parser kParse>
Value IsText(CallContext& context, const Value* args) {
  std::string why;
  return Value::Bool(kParse(args[0].text(), context.arena, &why).has_value());
}

Value ToText(CallContext& context, const Value* args) {
  return MakeText(context, NetworkText(args[0]));
}

Value IsCanonical(CallContext& context, const Value* args) {
  const Value address = FromText<&ParseAddress>(context, args);
  return address.is_error() ? address : Value::Bool(NetworkText(address) == args[0].text());
}

Value Family(CallContext&, const Value* args) {
  return Value::Int(AddressBits(args[0]) == 32 ? 4 : 6);
}

template <AddressKind kKind>
Value OfKind(CallContext&, const Value* args) {
  return Value::Bool(IsOfKind(args[0], kKind));
}

Value HasAddress(CallContext&, const Value* args) {
  return Value::Bool(ContainsAddress(args[0], args[1]));
}

Value HasAddressText(CallContext& context, const Value* args) {
  const Value address = FromText<&ParseAddress>(context, args + 1);
  return address.is_error() ? address : Value::Bool(ContainsAddress(args[0], address));
}

Value HasPrefix(CallContext&, const Value* args) {
  return Value::Bool(ContainsPrefix(args[0], args[1]));
}

Value HasPrefixText(CallContext& context, const Value* args) {
  const Value prefix = FromText<&ParsePrefix>(context, args + 1);
  return prefix.is_error() ? prefix : Value::Bool(ContainsPrefix(args[0], prefix));
}

Value Address(CallContext&, const Value* args) { return AddressOf(args[0]); }
Value Mask(CallContext& context, const Value* args) { return Masked(args[0], context.arena); }

Value IsMask(CallContext& context, const Value* args) {
  return Value::Bool(SameNetwork(args[0], Masked(args[0], context.arena)));
}

Value Length(CallContext&, const Value* args) { return Value::Int(PrefixLength(args[0])); }

}  // namespace

std::vector<FunctionRow> NetworkRows() {
  return {
      {"ip(string) -> net.IP", "The IPv4 or IPv6 address; an error if it is none.",
       &FromText<&ParseAddress>},
      {"isIP(string) -> bool", "Whether the text is an address.", &IsText<&ParseAddress>},
      {"ip.isCanonical(string) -> bool", "Whether the address is written as RFC 5952 wants it.",
       &IsCanonical},
      {"cidr(string) -> net.CIDR", "The range, as 10.0.0.0/8; an error if it is none.",
       &FromText<&ParsePrefix>},
      {"isCIDR(string) -> bool", "Whether the text is a range.", &IsText<&ParsePrefix>},
      {"string(net.IP) -> string", "As RFC 5952 writes it.", &ToText},
      {"string(net.CIDR) -> string", "As 10.0.0.0/8.", &ToText},
      {"net.IP.family() -> int", "4 or 6.", &Family},
      {"net.IP.isUnspecified() -> bool", "Whether it is 0.0.0.0 or ::.",
       &OfKind<AddressKind::kUnspecified>},
      {"net.IP.isLoopback() -> bool", "Whether it is in 127.0.0.0/8, or ::1.",
       &OfKind<AddressKind::kLoopback>},
      {"net.IP.isLinkLocalMulticast() -> bool", "Whether it is in 224.0.0.0/24 or ff02::/16.",
       &OfKind<AddressKind::kLinkLocalMulticast>},
      {"net.IP.isLinkLocalUnicast() -> bool", "Whether it is in 169.254.0.0/16 or fe80::/10.",
       &OfKind<AddressKind::kLinkLocalUnicast>},
      {"net.IP.isGlobalUnicast() -> bool",
       "Whether it is none of these, nor multicast or broadcast; private addresses count.",
       &OfKind<AddressKind::kGlobalUnicast>},
      {"net.CIDR.containsIP(net.IP) -> bool", "Whether the address is in the range.", &HasAddress},
      {"net.CIDR.containsIP(string) -> bool", "Whether the address is in the range.",
       &HasAddressText},
      {"net.CIDR.containsCIDR(net.CIDR) -> bool", "Whether all of the other range is in it.",
       &HasPrefix},
      {"net.CIDR.containsCIDR(string) -> bool", "Whether all of the other range is in it.",
       &HasPrefixText},
      {"net.CIDR.ip() -> net.IP", "The address it is written with.", &Address},
      {"net.CIDR.masked() -> net.CIDR", "Without host bits: 10.1.2.3/8 is 10.0.0.0/8.", &Mask},
      {"net.CIDR.isMask() -> bool", "Whether it has no host bits.", &IsMask},
      {"net.CIDR.prefixLength() -> int", "The number after the slash.", &Length},
  };
}

}  // namespace vigil::rules::cel
