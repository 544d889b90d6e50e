#include "rules/cel/network.h"

#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;

constexpr uint32_t kShortBytes = 4;
constexpr uint32_t kLongBytes = 16;
constexpr std::array<uint8_t, 12> kMappedStart = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

struct Address {
  uint32_t size = 0;  // 4 or 16
  std::array<uint8_t, kLongBytes> bytes{};

  int bits() const { return static_cast<int>(size) * 8; }
};

Address FromValue(const Value& value) {
  Address address;
  if (value.size < kLongBytes) {
    address.size = kShortBytes;
    for (uint32_t i = 0; i < kShortBytes; ++i) {
      address.bytes[i] = static_cast<uint8_t>(value.u >> (8 * (kShortBytes - 1 - i)));
    }
  } else {
    address.size = kLongBytes;
    std::memcpy(address.bytes.data(), value.s, kLongBytes);
  }
  return address;
}

// The value of an address, or with `length` of a range.
Value ToValue(const Address& address, std::optional<int> length, Arena& arena) {
  Value value;
  value.tag = length ? kPrefixTag : kAddressTag;
  value.size = address.size + (length ? 1 : 0);
  if (address.size == kShortBytes) {
    uint64_t packed = 0;
    for (uint32_t i = 0; i < kShortBytes; ++i) packed = packed << 8 | address.bytes[i];
    value.u = packed | static_cast<uint64_t>(length.value_or(0)) << 32;
    return value;
  }
  auto* bytes = static_cast<char*>(arena.Allocate(value.size, 1));
  std::memcpy(bytes, address.bytes.data(), kLongBytes);
  if (length) bytes[kLongBytes] = static_cast<char>(*length);
  value.s = bytes;
  return value;
}

bool IsMapped(const Address& address) {
  return address.size == kLongBytes &&
         std::memcmp(address.bytes.data(), kMappedStart.data(), kMappedStart.size()) == 0;
}

bool Read(std::string_view text, Address* address) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) return false;
  buffer[text.copy(buffer, sizeof buffer - 1)] = '\0';
  const bool is_long = text.find(':') != std::string_view::npos;
  address->size = is_long ? kLongBytes : kShortBytes;
  return inet_pton(is_long ? AF_INET6 : AF_INET, buffer, address->bytes.data()) == 1;
}

bool ReadAddress(std::string_view text, std::string_view what, Address* address, std::string* why) {
  if (text.find('%') != std::string_view::npos) {
    *why = std::string(what) + " with a zone is not allowed";
    return false;
  }
  if (!Read(text, address)) {
    *why = "not an " + std::string(what);
    return false;
  }
  if (IsMapped(*address) && text.find('.') != std::string_view::npos) {
    *why = "an IPv4-mapped IPv6 address is not allowed";
    return false;
  }
  return true;
}

std::string ShortText(const Address& address) {
  std::string out;
  for (uint32_t i = 0; i < kShortBytes; ++i) {
    if (i > 0) out += '.';
    out += std::to_string(address.bytes[i]);
  }
  return out;
}

// RFC 5952: lower case, no leading zeros, the first of the longest runs of two or more zero groups
// as `::`.
std::string LongText(const Address& address) {
  constexpr int kGroups = 8;
  std::array<unsigned, kGroups> groups{};
  for (int i = 0; i < kGroups; ++i) {
    groups[i] = address.bytes[2 * i] << 8 | address.bytes[2 * i + 1];
  }
  int best = -1;
  int best_length = 1;
  for (int i = 0; i < kGroups; ++i) {
    int end = i;
    while (end < kGroups && groups[end] == 0) ++end;
    if (end - i > best_length) {
      best = i;
      best_length = end - i;
    }
    if (end > i) i = end - 1;
  }
  std::string out;
  for (int i = 0; i < kGroups; ++i) {
    if (i == best) {
      out += "::";
      i += best_length - 1;
      continue;
    }
    if (i > 0 && out.back() != ':') out += ':';
    char digits[4];
    const auto result = std::to_chars(digits, digits + sizeof digits, groups[i], 16);
    out.append(digits, result.ptr);
  }
  return out;
}

// Whether the first `bits` bits are the same; both have as many bits.
bool SameStart(const Address& a, const Address& b, int bits) {
  const size_t whole = bits / 8;
  if (std::memcmp(a.bytes.data(), b.bytes.data(), whole) != 0) return false;
  const int rest = bits % 8;
  return rest == 0 || ((a.bytes[whole] ^ b.bytes[whole]) >> (8 - rest)) == 0;
}

bool IsAll(const Address& address, uint8_t byte) {
  for (uint32_t i = 0; i < address.size; ++i) {
    if (address.bytes[i] != byte) return false;
  }
  return true;
}

bool IsLoopback(const Address& a) {
  if (a.size == kShortBytes) return a.bytes[0] == 127;
  Address one;
  one.bytes[kLongBytes - 1] = 1;
  return a.bytes == one.bytes;
}

bool IsMulticast(const Address& a) {
  return a.size == kShortBytes ? (a.bytes[0] & 0xF0) == 0xE0 : a.bytes[0] == 0xFF;
}

bool IsLinkLocalMulticast(const Address& a) {
  if (a.size == kShortBytes) return a.bytes[0] == 224 && a.bytes[1] == 0 && a.bytes[2] == 0;
  return a.bytes[0] == 0xFF && (a.bytes[1] & 0x0F) == 2;
}

bool IsLinkLocalUnicast(const Address& a) {
  if (a.size == kShortBytes) return a.bytes[0] == 169 && a.bytes[1] == 254;
  return a.bytes[0] == 0xFE && (a.bytes[1] & 0xC0) == 0x80;
}

bool IsGlobalUnicast(const Address& a) {
  const bool broadcast = a.size == kShortBytes && IsAll(a, 0xFF);
  return !IsAll(a, 0) && !broadcast && !IsLoopback(a) && !IsMulticast(a) && !IsLinkLocalUnicast(a);
}

}  // namespace

std::optional<Value> ParseAddress(std::string_view text, Arena& arena, std::string* why) {
  Address address;
  if (!ReadAddress(text, "IP address", &address, why)) return std::nullopt;
  if (IsMapped(address)) {
    Address mapped;
    mapped.size = kShortBytes;
    std::memcpy(mapped.bytes.data(), address.bytes.data() + kMappedStart.size(), kShortBytes);
    address = mapped;
  }
  return ToValue(address, std::nullopt, arena);
}

std::optional<Value> ParsePrefix(std::string_view text, Arena& arena, std::string* why) {
  const size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) {
    *why = "not an IP range such as 10.0.0.0/8";
    return std::nullopt;
  }
  Address address;
  if (!ReadAddress(text.substr(0, slash), "IP range", &address, why)) return std::nullopt;
  if (IsMapped(address)) {
    *why = "an IPv4-mapped IPv6 address is not allowed";
    return std::nullopt;
  }
  const std::string_view digits = text.substr(slash + 1);
  int length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  const bool written = error == std::errc() && end == digits.data() + digits.size() &&
                       digits.front() != '-' && (digits.size() == 1 || digits.front() != '0');
  if (!written || length > address.bits()) {
    *why = "the prefix length of an IP range is 0 to " + std::to_string(address.bits());
    return std::nullopt;
  }
  return ToValue(address, length, arena);
}

std::string NetworkText(const Value& value) {
  const Address address = FromValue(value);
  std::string out = address.size == kShortBytes ? ShortText(address) : LongText(address);
  if (value.tag == kPrefixTag) out += "/" + std::to_string(PrefixLength(value));
  return out;
}

Value CopyNetwork(const Value& value, Arena& arena) {
  Value copy = value;
  if (value.size >= kLongBytes) copy.s = arena.Copy({value.s, value.size}).data();
  return copy;
}

bool SameNetwork(const Value& a, const Value& b) {
  if (a.size != b.size) return false;
  return a.size < kLongBytes ? a.u == b.u : std::memcmp(a.s, b.s, a.size) == 0;
}

int AddressBits(const Value& value) { return value.size < kLongBytes ? 32 : 128; }

int PrefixLength(const Value& prefix) {
  return prefix.size < kLongBytes ? static_cast<int>(prefix.u >> 32)
                                  : static_cast<uint8_t>(prefix.s[kLongBytes]);
}

Value AddressOf(const Value& prefix) {
  Value address = prefix;
  address.tag = kAddressTag;
  address.size = prefix.size - 1;
  if (address.size == kShortBytes) address.u &= 0xFFFFFFFFu;
  return address;
}

Value Masked(const Value& prefix, Arena& arena) {
  Address address = FromValue(prefix);
  const int length = PrefixLength(prefix);
  for (int bit = length; bit < address.bits(); ++bit) {
    address.bytes[bit / 8] &= static_cast<uint8_t>(~(0x80 >> (bit % 8)));
  }
  return ToValue(address, length, arena);
}

bool ContainsAddress(const Value& prefix, const Value& address) {
  return AddressBits(prefix) == AddressBits(address) &&
         SameStart(FromValue(prefix), FromValue(address), PrefixLength(prefix));
}

bool ContainsPrefix(const Value& prefix, const Value& inner) {
  return AddressBits(prefix) == AddressBits(inner) && PrefixLength(prefix) <= PrefixLength(inner) &&
         SameStart(FromValue(prefix), FromValue(inner), PrefixLength(prefix));
}

bool IsOfKind(const Value& value, AddressKind kind) {
  const Address address = FromValue(value);
  switch (kind) {
    case AddressKind::kUnspecified:
      return IsAll(address, 0);
    case AddressKind::kLoopback:
      return IsLoopback(address);
    case AddressKind::kLinkLocalMulticast:
      return IsLinkLocalMulticast(address);
    case AddressKind::kLinkLocalUnicast:
      return IsLinkLocalUnicast(address);
    case AddressKind::kGlobalUnicast:
      return IsGlobalUnicast(address);
  }
  return false;
}

}  // namespace vigil::rules::cel
