#include "daemon/rule_record.h"

#include "cep/base/encoding.h"

namespace vigil::daemon {
namespace {

constexpr uint64_t kFormat = 1;

void PutHash(const Hash128& hash, std::string* out) {
  PutFixed64(hash.hi, out);
  PutFixed64(hash.lo, out);
}

Hash128 ReadHash(ByteReader& reader) {
  Hash128 hash;
  hash.hi = reader.Fixed64();
  hash.lo = reader.Fixed64();
  return hash;
}

}  // namespace

bool RuleRecord::IsLive(std::string_view rule, uint64_t incarnation) const {
  const auto found = rules.find(rule);
  return found != rules.end() && found->second.incarnation == incarnation;
}

std::string EncodeRuleRecord(const RuleRecord& record) {
  std::string out;
  PutVarint(kFormat, &out);
  PutBytes(record.version, &out);
  PutVarint(record.next_incarnation, &out);
  PutVarint(record.rules.size(), &out);
  for (const auto& [id, rule] : record.rules) {
    PutBytes(id, &out);
    PutVarint(rule.incarnation, &out);
    PutHash(rule.content, &out);
    PutHash(rule.matching, &out);
  }
  return out;
}

StatusOr<RuleRecord> DecodeRuleRecord(std::string_view bytes) {
  ByteReader reader(bytes);
  const uint64_t format = reader.Varint();
  if (reader.ok() && format > kFormat) {
    return absl::UnimplementedError("the rule set in the state has format " +
                                    std::to_string(format) + ", newer than this program's " +
                                    std::to_string(kFormat));
  }
  RuleRecord record;
  record.version = reader.Bytes();
  record.next_incarnation = reader.Varint();
  for (size_t left = reader.Count(34); left > 0 && reader.ok(); --left) {
    std::string id(reader.Bytes());
    RuleRecord::Rule rule;
    rule.incarnation = reader.Varint();
    rule.content = ReadHash(reader);
    rule.matching = ReadHash(reader);
    record.rules.emplace(std::move(id), rule);
  }
  if (!reader.AtEnd() || format == 0) {
    return absl::DataLossError("the rule set in the state is damaged");
  }
  return record;
}

}  // namespace vigil::daemon
