#include "ingest/projection.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace vigil::ingest {
namespace {

bool IsPlain(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20;
  });
}

}  // namespace

Projection::Projection(std::shared_ptr<const cep::Layout> layout, std::string_view time_field,
                       bool positions)
    : layout_(std::move(layout)) {
  for (const cep::Slot& slot : layout_->slots()) Add(slot.name);
  if (!time_field.empty()) time_ = Add(time_field);
  if (positions) {
    source_ = Add("_source");
    topic_ = Add("_topic");
    partition_ = Add("_partition");
    offset_ = Add("_offset");
  }
}

int Projection::Add(std::string_view name) {
  if (const int found = Find(name); found >= 0) return found;
  const int place = static_cast<int>(names_.size());
  names_.emplace_back(name);
  plain_.push_back(IsPlain(name));
  if (name.empty()) {
    empty_name_ = place;
  } else {
    by_first_[static_cast<unsigned char>(name[0])].push_back(static_cast<uint16_t>(place));
  }
  return place;
}

int Projection::Find(std::string_view name) const {
  if (name.empty()) return empty_name_;
  for (const uint16_t place : by_first_[static_cast<unsigned char>(name[0])]) {
    if (names_[place] == name) return place;
  }
  return -1;
}

int Projection::FindQuoted(const char* text, const char* end) const {
  if (text == end) return -1;
  if (*text == '"') return empty_name_;
  for (const uint16_t place : by_first_[static_cast<unsigned char>(*text)]) {
    const std::string& name = names_[place];
    if (static_cast<size_t>(end - text) <= name.size() || text[name.size()] != '"') continue;
    if (std::memcmp(text, name.data(), name.size()) == 0 && plain_[place]) return place;
  }
  return -1;
}

}  // namespace vigil::ingest
